"""Hand-written stand-ins for ports, shared by test folders."""
