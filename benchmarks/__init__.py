"""Benchmarks: `python -m benchmarks.<name> --json` prints one JSON object with `figures` and `bars`; exit code 0."""
