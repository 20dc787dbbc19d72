"""Stages on this machine: a fresh checkout a run, DVC in it. Implements `ports.orchestrator.Orchestrator`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.confinement import sandbox_of_run
from bighead_ci.delivery.stages.source_data import not_as_locked
from bighead_ci.documents.base import short, write_atomically
from bighead_ci.documents.inputs import VersionInputs, changed_inputs
from bighead_ci.documents.record import RunResult
from bighead_ci.errors import InputError, Problem
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.orchestrators.left_files import remove
from bighead_ci.planning.dvc_pipeline import PIPELINE, dvc_yaml
from bighead_ci.planning.stages import RECORD
from bighead_ci.ports.orchestrator import Outcome
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree


class LocalOrchestrator:
    """Runs stages in work trees below a directory; each of them can be deleted at any time.

    Args:
        pipeline: Runs the stages in a work tree.
        checkouts: Where work trees are.
        checkout: Puts the files of a commit into a directory.
    """

    def __init__(self, pipeline: DvcPipeline, checkouts: Path, checkout: Callable[[str, Path], None]) -> None:
        self._pipeline = pipeline
        self._checkouts = checkouts
        self._checkout = checkout

    @contextmanager
    def run(self, commit: str, inputs: VersionInputs, progress: Progress) -> Iterator[Outcome]:
        """Run the stages of a version on the files of a commit; see the port."""
        with self._run(lambda directory: self._checkout(commit, directory), inputs, progress) as outcome:
            yield outcome

    @contextmanager
    def run_tree(self, tree: Tree, inputs: VersionInputs, progress: Progress) -> Iterator[Outcome]:
        """The same on files that are in no commit; see the port."""
        with self._run(lambda directory: write_tree(tree, directory), inputs, progress) as outcome:
            yield outcome

    @contextmanager
    def _run(self, fill: Callable[[Path], None], inputs: VersionInputs, progress: Progress) -> Iterator[Outcome]:
        checkout = self._checkouts / f"{inputs.model}-{inputs.version}-{short(inputs.content_key)}"
        shutil.rmtree(checkout, ignore_errors=True)
        checkout.parent.mkdir(parents=True, exist_ok=True)
        fill(checkout)
        make_ours(checkout)
        directory = f"models/{inputs.id}"
        text = dvc_yaml(DirectoryTree(checkout), inputs.model, inputs.version)
        write_atomically(checkout / directory / PIPELINE, text.encode())
        timings = self._pipeline.run(checkout, directory, progress)
        out = checkout / directory / "out"
        result = RunResult.read(out / RECORD)
        check_inputs(inputs, result.inputs)
        yield Outcome(result, out, timings, sandbox_of_run(out))
        shutil.rmtree(checkout, ignore_errors=True)

    @contextmanager
    def exclusive(self, key: str, progress: Progress) -> Iterator[None]:
        """Hold the content key's lock; the system releases it when its holder dies."""
        self._checkouts.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._checkouts / f".{key.removeprefix('sha256:')}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            progress(f"another process makes content key {short(key)}; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def sources(self, commit: str, progress: Progress, needed: Collection[str] | None = None) -> Path:
        """A work tree of the commit whose sources' Parquet files are in place."""
        checkout = self._checkouts / f"sources-{commit[:12]}"
        if checkout.exists():
            try:
                self._pipeline.import_sources(checkout, progress, needed)
            except InputError:  # what a killed import left, or somebody changed
                shutil.rmtree(checkout, ignore_errors=True)
            else:
                return checkout
        checkout.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{checkout.name}-", dir=checkout.parent))
        try:
            self._checkout(commit, beside)
            make_ours(beside)
            self._pipeline.import_sources(beside, progress, needed)
            _rename(beside, checkout)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return checkout


def write_tree(tree: Tree, directory: Path) -> None:
    """Put the files of a tree into a directory; a symbolic link becomes a plain file, as in a checkout of a commit."""
    for path in tree.files():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tree.read(path))


def make_ours(checkout: Path) -> None:
    """Take out of a fresh checkout what would count as ours: settings of DVC, and what stages leave.

    Nobody who writes a branch configures the processes that run it, or says what came out.
    """
    for name in (".bighead", ".dvc"):
        remove(checkout / name)
    for version in checkout.glob("models/*/v*"):
        for name in ("out", "dvc.lock"):
            remove(version / name)
    (checkout / ".dvc").mkdir()
    (checkout / ".dvc" / "config").touch()


def check_inputs(planned: VersionInputs, read: VersionInputs) -> None:
    """Hold what a run read against what it was planned on.

    Raises:
        InputError: they differ; names each input, and says what to do.
    """
    if read.content_key == planned.content_key:
        return
    problems = []
    for name, (before, after) in changed_inputs(planned, read).items():
        kind, _, path = name.partition(":")
        if kind == "data":
            problems.append(not_as_locked(path, after, before or "nothing"))
        else:
            problems.append(_changed_meanwhile(planned, name, before, after))
    raise InputError(problems or f"{planned.id}: the stages ran on the inputs of {read.id}")


def _changed_meanwhile(planned: VersionInputs, name: str, before: str | None, after: str | None) -> Problem:
    """An edit of the commit's files, of the engine or of what is installed, after the run was planned."""
    message = f"the stages of {planned.id} read other than was planned: leave it as it is while they run, and run again"
    file = name.removeprefix("file:") if name.startswith("file:") else f"models/{planned.id}"
    subject = "" if name.startswith("file:") else name
    return Problem(file=file, subject=subject, message=message, value=after or "nothing", allowed=before or "nothing")


def _rename(beside: Path, checkout: Path) -> None:
    """Put a whole work tree in its place; another process may have been first."""
    try:
        beside.rename(checkout)
    except OSError:
        if not checkout.is_dir():
            raise
