"""What every benchmark prints."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Collection, Sequence
from typing import Any

Found = tuple[dict[str, Any], dict[str, tuple[float, float]]]
"""Figures (everything measured, peers included) and bars (name → (figure, at most))."""


def run(
    name: str, about: str, measure: Callable[[], Found] | Callable[[Collection[str]], Found], parts: Sequence[str] = ()
) -> None:
    """Parse `--json`, measure, print.

    Args:
        name: The benchmark.
        about: One line for `--help`.
        measure: Gets the names of the parts to measure, if there are any.
        parts: Of which `--only` chooses some.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    if parts:
        every = ", ".join(parts)
        parser.add_argument("--only", metavar="PART", nargs="+", choices=parts, default=list(parts), help=every)
    arguments = parser.parse_args()
    chosen = [frozenset(arguments.only)] if parts else []
    figures, limits = measure(*chosen)
    bars = {key: {"figure": figure, "bar": bar, "holds": figure <= bar} for key, (figure, bar) in limits.items()}
    machine = {"processors": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    document = {"benchmark": name, "machine": machine, "figures": figures, "bars": bars}
    if arguments.json:
        print(json.dumps(document, indent=1))
        return
    for key, value in figures.items():
        print(f"{key:45} {value}")
    for key, bar in bars.items():
        print(f"bar {key:41} {bar['figure']} (at most {bar['bar']}): {'holds' if bar['holds'] else 'DOES NOT HOLD'}")
