"""Reads and validates what people author: every problem at once, with file, line and what is allowed. Pure."""
