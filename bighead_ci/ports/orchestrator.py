"""Runs the stages of a model version."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import RunResult, Timings
from bighead_ci.documents.sandbox import SandboxKind
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree


@dataclass(frozen=True)
class Outcome:
    """What a run left."""

    result: RunResult
    files: Path
    """Directory with what the stages left, by the names of `planning.stages`."""
    timings: Timings
    sandbox: SandboxKind
    """The weakest that any of its stages ran in, be it on an earlier run whose results were reused."""


class Orchestrator(Protocol):
    """Runs stages that are not up to date, in order, content-addressed and resumable.

    Raises:
        RetryError: from every call: the disk is full, a lock is held, the cluster does not answer.
    """

    def run(self, commit: str, inputs: VersionInputs, progress: Progress) -> AbstractContextManager[Outcome]:
        """Run the stages of a version on the files of a commit; the outcome's files last as long as the block.

        `progress` gets a line as each stage starts or is reused.

        Raises:
            InputError: a stage failed on what the user wrote, in the stage's own words; or what was read (data, files,
                definitions, the engine, its libraries) is not what `inputs` name: says what differs, and what to do.
        """

    def run_tree(self, tree: Tree, inputs: VersionInputs, progress: Progress) -> AbstractContextManager[Outcome]:
        """The same on files that are in no commit: an experiment's. Nothing but the outcome knows of it afterwards."""

    def exclusive(self, key: str, progress: Progress) -> AbstractContextManager[None]:
        """Let one process at a time make what has this content key; the others wait for it, and say so."""

    def sources(self, commit: str, progress: Progress, needed: Collection[str] | None = None) -> Path:
        """A directory with the files of a commit in which the sources' data is in place, whatever happens to it.

        `needed`: paths of the data that must be there; None: all that dvc.lock names.

        Raises:
            InputError: the data that can be had is not what the commit's dvc.lock names.
        """
