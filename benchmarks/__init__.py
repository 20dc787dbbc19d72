"""Benchmarks: `python -m benchmarks.<name> --json` prints one JSON object with `figures` and `bars`; exit code 0.

Where a benchmark needs a double of a port it takes the tests' own, which pass the conformance suite.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
