"""Machines that run commits of the bags repository: real DVC, real git, real stages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import RunResult, Timings
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.git.repository import GitRepository
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.orchestrators.local import LocalOrchestrator
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.inputs import Inputs
from bighead_ci.wiring.contexts import pipeline_of
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace
from fakes.bags_repository import BAGS, BUILT, SEED_VARIABLE, begin_bags, commit
from fakes.repositories import git


def pipeline_of_machine(directory: Path, name: str) -> DvcPipeline:
    """Of one machine: with a workspace of its own."""
    workspace = Workspace(forge=directory / "clone", state=directory / name)
    workspace.state.mkdir(exist_ok=True)
    workspace.write(workspace.state / WORKSPACE_FILE)
    return pipeline_of(workspace)


@dataclass
class BagsBench:
    """The bags repository, and machines that run its commits."""

    directory: Path
    clone: Path
    repository: GitRepository
    lines: list[str] = field(default_factory=list)
    """What the runs said."""

    def say(self, line: str) -> None:
        self.lines.append(line)

    def pipeline(self, name: str) -> DvcPipeline:
        return pipeline_of_machine(self.directory, name)

    def machine(self, name: str) -> LocalOrchestrator:
        return LocalOrchestrator(self.pipeline(name), self.directory / name / "checkouts", self.repository.checkout)

    def inputs(self, commit: str) -> VersionInputs:
        inputs = Inputs(Files(self.repository.tree(commit)), InstalledEngine())
        return inputs.of(inputs.definitions.model("bags", "v1"))

    def run(self, machine: LocalOrchestrator, commit: str) -> tuple[RunResult, Timings]:
        with machine.run(commit, self.inputs(commit), self.say) as outcome:
            return outcome.result, outcome.timings

    @property
    def head(self) -> str:
        return git(self.clone, "rev-parse", "HEAD")

    @property
    def fits(self) -> int:
        """How often model.py built its estimator."""
        return sum(line.startswith(BUILT) for line in self.lines)

    def choose(self, digest: str) -> str:
        """Let the next run be of data of an earlier day."""
        (self.clone / BAGS / "run.yaml").write_text(f"data:\n  bags: {digest}\n")
        return self.edit(f"{BAGS}/dvc.yaml", dvc_yaml(DirectoryTree(self.clone), "bags", "v1"))

    def edit(self, path: str, text: str) -> str:
        (self.clone / path).write_text(text)
        return commit(self.clone, f"edit {path}")


@contextmanager
def _variables() -> Iterator[None]:
    """What the import of the data looks for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SEED_VARIABLE, "1")
        patch.delenv(variables.STATE, raising=False)
        yield


def train_bags(directory: Path) -> Path:
    """The repository, and machine `one`, which has run its first commit."""
    with _variables():
        clone = begin_bags(directory / "clone", pipeline_of_machine(directory, "one"))
        with GitRepository(clone) as repository:
            bench = BagsBench(directory, clone, repository)
            bench.run(bench.machine("one"), bench.head)
            assert bench.fits == 1
    return directory


@contextmanager
def bags_bench(trained: Path, directory: Path) -> Iterator[BagsBench]:
    """A copy of what `train_bags` left, to be changed at will."""
    shutil.copytree(trained, directory)
    with _variables(), GitRepository(directory / "clone") as repository:
        yield BagsBench(directory, directory / "clone", repository)
