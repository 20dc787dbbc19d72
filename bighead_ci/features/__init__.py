"""The feature language: what a set means, its exact kernel, and reading it online."""
