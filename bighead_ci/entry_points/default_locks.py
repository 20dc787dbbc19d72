"""Writes the locks that new models share: `make lock` runs it after the engine's own lock changed."""

from __future__ import annotations

from pathlib import Path

import bighead_ci
from bighead_ci.definitions.shared_locks import shared_text
from bighead_ci.documents.base import write_atomically
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.images.locks import compile_lock
from bighead_ci.planning.locks import Lock, needed_by_engine
from bighead_ci.planning.stages import LOCK_OF

DIRECTORY = Path(bighead_ci.__file__).resolve().parent / "definitions" / "locks"


def main() -> None:
    """Write both."""
    locks: tuple[Lock, ...] = ("training", "serving")
    for lock in locks:
        text = compile_lock(needed_by_engine(InstalledEngine(), lock), (), (), b"", print)
        write_atomically(DIRECTORY / LOCK_OF[lock], shared_text(text))


if __name__ == "__main__":
    main()
