"""Runs a stage in the Python environment that it belongs to and in a sandbox, and takes over what it leaves."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bighead_ci
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.lines import with_lines
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.failure import read_failure
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.documents.artifact import MANIFEST, ArtifactManifest, Kind
from bighead_ci.documents.sandbox import Confinement, Ended, Limits
from bighead_ci.documents.stage import EvaluateSpec, PackageSpec, StageOrder, TrainingSetSpec, TrainSpec
from bighead_ci.errors import BigheadError, BugError, InputError, RetryError
from bighead_ci.orchestrators.outputs import take_over
from bighead_ci.planning.stages import ARTIFACT, LOCK_OF, TRAINING_SET, Stage
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.sandbox import Confined, Sandbox
from bighead_ci.processes import LOCALE, THREAD_VARIABLES, interpreter_paths, kept_environment

Ensure = Callable[[str, bytes, Progress], Path]
"""Makes the Python environment of a lock (its name, its text), unless it is there; its interpreter."""
VARIABLES = ("BIGHEAD_MEMORY", *THREAD_VARIABLES)
"""What a stage is told by the environment, beside the place of programs and the language."""
_ORDERS: dict[str, type[StageOrder[Any]]] = {
    "train": StageOrder[TrainSpec],
    "evaluate": StageOrder[EvaluateSpec],
    "package": StageOrder[PackageSpec],
}
"""Of the stages that may run a version's code."""
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class StageProcesses:
    """How stages run on this machine.

    Args:
        engine: The engine's own interpreter.
        ensure: Makes the interpreter of a lock.
        sandbox: Holds each stage.
        limits: When a stage is ended.
        quiet: Variables by which libraries are told not to report home.
        output: Gets the lines that stages print.
    """

    engine: Path
    ensure: Ensure
    sandbox: Sandbox
    limits: Limits
    quiet: dict[str, str]
    output: Callable[[str], None]

    def run(self, stage: Stage, place: StagePlace, progress: Progress) -> None:
        """Run one stage of a model version on the files of a checkout.

        Raises:
            InputError: the version has no such lock, the stage finds something wrong or reaches a limit, or it leaves
                what it does not declare.
            RetryError: the disk is full, the package index does not answer, or the stage was killed.
            BugError: the stage broke, and none of its code is the author's.
        """
        stage = stage.run_as(made_kind(place))
        interpreter = self.engine
        if stage.environment != "engine":
            lock = f"{place.directory}/{LOCK_OF[stage.environment]}"
            text = Files(DirectoryTree(place.checkout)).valid_lock(lock).text
            interpreter = self.ensure(lock, text, progress)
        with _results(stage, place) as results, _engine_alone(results) as engine:
            ended = self.sandbox.run(self._confined(stage, place, interpreter, engine, results), self.output)
            if ended.code != 0 or ended.reason != "exited":
                raise _failure(stage, place, results, ended, self.limits)
            take_over(stage, place, results, Confinement(kind=self.sandbox.kind))

    def _confined(self, stage: Stage, place: StagePlace, interpreter: Path, engine: Path, results: Path) -> Confined:
        package = Path(bighead_ci.__file__).resolve().parent
        python = {"PYTHONPATH": str(engine), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"} | {
            "LC_ALL": LOCALE
        }
        return Confined(
            [str(interpreter), "-P", "-m", stage.module, str(place.checkout), place.directory, str(results)],
            directory=results,
            limits=self.limits,
            reads=[*stage_reads(stage, place), *interpreter_paths(interpreter), package, engine],
            writes=[results],
            variables=confined_environment() | self.quiet | python,
        )


def made_kind(place: StagePlace) -> Kind | None:
    """The kind of the artifact that training left; None where there is none, or none that this engine reads.

    What is wrong with it, the stage that loads it says.
    """
    with suppress(OSError, ValueError):
        return ArtifactManifest.read(place.out / ARTIFACT / MANIFEST).kind
    return None


def stage_reads(stage: Stage, place: StagePlace) -> list[Path]:
    """What a stage may read of the checkout: what its key names, and nothing beside it.

    Raises:
        InputError: nobody wrote down what the stage is told.
    """
    found = [place.out / stage.order, *(place.out / name for name in stage.needs)]
    if TRAINING_SET in stage.leaves:
        order = place.order(stage.name, StageOrder[TrainingSetSpec])
        found += [place.checkout / data.file for data in order.spec.data.values()]
    if stage.reads_code:
        found += [place.path / file for file in place.order(stage.name, _ORDERS[stage.name]).spec.code]
    # What is missing is the stage's to name.
    return [path.absolute() for path in found if path.exists()]


@contextmanager
def _results(stage: Stage, place: StagePlace) -> Iterator[Path]:
    """An empty directory on the checkout's file system."""
    results = place.checkout.absolute() / ".bighead" / "results" / place.directory.replace("/", "-") / stage.name
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    try:
        yield results
    finally:
        shutil.rmtree(results, ignore_errors=True)


@contextmanager
def _engine_alone(results: Path) -> Iterator[Path]:
    """A directory with the engine and nothing that lies beside it, for the interpreter's path."""
    package = Path(bighead_ci.__file__).resolve().parent
    directory = results.with_name(f"{results.name}-engine")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    (directory / package.name).symlink_to(package, target_is_directory=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _failure(stage: Stage, place: StagePlace, results: Path, ended: Ended, limits: Limits) -> BigheadError:
    """Why a stage failed, in its own words if it has any.

    Trying again is never the answer to what code of an author asks for: it would be tried for ever.
    """
    what = f"stage {stage.name} of {place.directory}"
    if ended.limit:
        return limit_reached(what, ended.limit, limits)
    said = read_failure(results)
    if isinstance(said, InputError):
        return with_lines(said, place.checkout, [f"{place.directory}/model.yaml"])
    if said is not None:
        return InputError(str(said)) if stage.reads_code else said
    if ended.code == _KILLED:
        return RetryError(f"{what} was killed (out of memory?); run it again")
    if stage.reads_code:
        return InputError(
            f"{what} ended with exit code {ended.code} and left no reason: model.py, or a library, did it"
        )
    return BugError(f"{what} broke with exit code {ended.code}; see above")


def confined_environment(*more: str) -> dict[str, str]:
    """What a confined command gets of this process's environment; a sandbox has a HOME and a TMPDIR of its own.

    Args:
        more: Names of variables beside those that every stage gets.
    """
    kept = kept_environment(*VARIABLES, *more)
    return {name: value for name, value in kept.items() if name not in {"HOME", "TMPDIR"}}


def limit_reached(what: str, limit: str, limits: Limits) -> InputError:
    """The error of a command that was ended at a limit, with what to do."""
    allowed = getattr(limits, limit)
    return InputError(
        f"{what} was ended at its limit: {limit} {allowed:,.0f}; let it take less, or have whoever runs the "
        f"checks set BIGHEAD_SANDBOX_LIMITS (as {limit}={_twice(limit, allowed)})"
    )


def _twice(limit: str, allowed: float) -> str:
    return f"{-(-2 * allowed // 10**9):.0f}GB" if limit in {"memory", "disk"} else f"{2 * allowed:.0f}"
