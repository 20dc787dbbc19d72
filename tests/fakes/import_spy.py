"""Runs a module as `python -m` does, and writes down at its end which modules of the engine are loaded: name → file.

`python import_spy.py DESTINATION MODULE ARGUMENTS`
"""

from __future__ import annotations

import atexit
import json
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run it."""
    destination, module, *arguments = sys.argv[1:]
    atexit.register(leave, Path(destination))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def leave(destination: Path) -> None:
    """Write down what is loaded."""
    loaded = {name: module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "bighead_ci"}
    destination.write_text(json.dumps(loaded), encoding="utf-8")


if __name__ == "__main__":
    main()
