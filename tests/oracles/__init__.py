"""Slow, obvious computations that the fast ones are compared with; they share no code with the engine."""
