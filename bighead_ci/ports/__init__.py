"""Protocols of the outside systems that the verbs need. Each has one conformance suite in `tests/conformance`."""
