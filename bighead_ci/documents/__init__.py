"""Frozen, typed documents that stages, ports and verbs exchange. No I/O, no behaviour beyond derived values."""
