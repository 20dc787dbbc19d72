"""Runs a stage in the Python environment that it belongs to: here, or in a process of its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import bighead_ci
from bighead_ci.delivery.stages.failure import forget_failure, read_failure
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.errors import BugError, RetryError
from bighead_ci.planning.stages import LOCK_OF, Stage
from bighead_ci.ports.progress import Progress

Ensure = Callable[[str, bytes, Progress], Path]
"""Makes the Python environment of a lock (its name, its text), unless it is there; its interpreter."""


def run_stage(stage: Stage, place: StagePlace, ensure: Ensure, progress: Progress) -> None:
    """Run one stage of a model version on the files of a checkout.

    Raises:
        InputError: the version has no such lock, or the stage finds something wrong.
        RetryError: the disk is full, or the package index does not answer.
        BugError: the stage broke.
    """
    interpreter = Path(sys.executable)
    if stage.environment != "engine":
        lock = LOCK_OF[stage.environment]
        interpreter = ensure(f"{place.directory}/{lock}", place.read(lock), progress)
    if interpreter == Path(sys.executable):
        importlib.import_module(stage.module).run(place, progress)
    else:
        run_in(interpreter, stage, place)


def run_in(interpreter: Path, stage: Stage, place: StagePlace) -> None:
    """Run a stage with this engine and another interpreter's libraries; its lines go to standard error.

    Raises:
        InputError: the stage found something wrong, as it says itself.
        RetryError: it was killed.
        BugError: it broke.
    """
    forget_failure(place.checkout)
    package = Path(bighead_ci.__file__).resolve().parent
    with TemporaryDirectory(prefix="bighead-engine-") as name:
        # On the interpreter's path there may be the engine, and nothing that lies beside it.
        (Path(name) / package.name).symlink_to(package, target_is_directory=True)
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        variables |= {"PYTHONPATH": name, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(interpreter), "-P", "-m", stage.module, str(place.checkout), place.directory]
        done = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if done.returncode == 0:
        return
    failure = read_failure(place.checkout)
    if failure is not None:
        raise failure
    if done.returncode < 0:
        raise RetryError(f"stage {stage.name} of {place.directory} was killed (out of memory?); run it again")
    raise BugError(f"stage {stage.name} of {place.directory} broke with exit code {done.returncode}; see above")
