"""A stage as a process of its own: arguments, progress, and an error that reaches whoever started it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bighead_ci.delivery.stages.failure import leave_failure
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.errors import BigheadError
from bighead_ci.ports.progress import Progress

Run = Callable[[StagePlace, Progress], object]


def main(name: str, run: Run) -> None:
    """Run a stage on the checkout and the version's directory that the command line names.

    Its files go to the directory that is named last. Its lines go to standard error, an error of the engine's also to
    that directory; the exit code is the error's.
    """
    checkout, directory, results = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

    def progress(line: str) -> None:
        sys.stderr.write(f"{name}: {line}\n")
        sys.stderr.flush()

    try:
        with leave_failure(results):
            run(StagePlace(checkout, directory, results), progress)
    except BigheadError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
