"""Protocols of the outside systems that the verbs need. Most have one conformance suite, in `tests/conformance`."""
