"""Bighead, delivered by git: the engine behind the `bighead` command."""
