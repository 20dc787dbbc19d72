"""Stands in for a model's callers: real rows of its source, sent to an environment's router at a steady rate."""
