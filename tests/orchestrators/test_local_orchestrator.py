"""The same inputs run once and anything else runs again, on real data, with real DVC and git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import bighead_ci
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import RunResult, Timings
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.errors import InputError
from bighead_ci.git.repository import GitRepository
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.orchestrators.local import LocalOrchestrator
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import STAGES, Stage
from bighead_ci.wiring.contexts import pipeline_of
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace
from fakes import import_spy
from fakes.bags_repository import BAGS, DATA, IMPORT, RAN_VARIABLE, SEED_VARIABLE, begin_bags, commit
from fakes.repositories import git

pytestmark = pytest.mark.e2e
NOBODYS = "a" * 32
"""Digest of no data."""


def silent(_: str) -> None: ...


def pipeline_of_machine(directory: Path, name: str) -> DvcPipeline:
    """Of one machine: with a workspace of its own."""
    workspace = Workspace(forge=directory / "clone", state=directory / name)
    workspace.state.mkdir(exist_ok=True)
    workspace.write(workspace.state / WORKSPACE_FILE)
    return pipeline_of(workspace)


@dataclass
class Bench:
    """The bags repository, and machines that run its commits."""

    directory: Path
    clone: Path
    repository: GitRepository

    def pipeline(self, name: str) -> DvcPipeline:
        return pipeline_of_machine(self.directory, name)

    def machine(self, name: str) -> LocalOrchestrator:
        return LocalOrchestrator(self.pipeline(name), self.directory / name / "checkouts", self.repository.checkout)

    def inputs(self, commit: str) -> VersionInputs:
        inputs = Inputs(Files(self.repository.tree(commit)), InstalledEngine())
        return inputs.of(inputs.definitions.model("bags", "v1"))

    def run(self, machine: LocalOrchestrator, commit: str) -> tuple[RunResult, Timings]:
        with machine.run(commit, self.inputs(commit), silent) as outcome:
            return outcome.result, outcome.timings

    @property
    def head(self) -> str:
        return git(self.clone, "rev-parse", "HEAD")

    @property
    def fits(self) -> int:
        """How often model.py built its estimator."""
        ran = self.directory / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0

    def choose(self, digest: str) -> str:
        """Let the next run be of data of an earlier day."""
        (self.clone / BAGS / "run.yaml").write_text(f"data:\n  bags: {digest}\n")
        return self.edit(f"{BAGS}/dvc.yaml", dvc_yaml(DirectoryTree(self.clone), "bags", "v1"))

    def edit(self, path: str, text: str) -> str:
        (self.clone / path).write_text(text)
        return commit(self.clone, f"edit {path}")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, and machine `one`, which has run its first commit."""
    directory = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RAN_VARIABLE, str(directory / "ran"))
        patch.setenv(SEED_VARIABLE, "1")
        patch.delenv(variables.STATE, raising=False)
        clone = begin_bags(directory / "clone", pipeline_of_machine(directory, "one"))
        with GitRepository(clone) as repository:
            bench = Bench(directory, clone, repository)
            bench.run(bench.machine("one"), bench.head)
            assert bench.fits == 1
    (directory / "ran").unlink()
    return directory


@pytest.fixture(scope="module")
def ran(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree in which all stages have run."""
    directory = tmp_path_factory.mktemp("ran")
    shutil.copytree(trained, directory, dirs_exist_ok=True)
    pipeline_of_machine(directory, "one").run(directory / "clone", BAGS, silent)
    return directory / "clone"


@pytest.fixture
def bench(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    directory = tmp_path / "bench"
    shutil.copytree(trained, directory)
    monkeypatch.setenv(RAN_VARIABLE, str(directory / "ran"))
    monkeypatch.setenv(SEED_VARIABLE, "1")
    monkeypatch.delenv(variables.STATE, raising=False)
    with GitRepository(directory / "clone") as repository:
        yield Bench(directory, directory / "clone", repository)


def test_a_file_that_the_code_may_read_runs_its_stage_again_and_nothing_runs_twice(bench: Bench) -> None:
    """Another text beside model.py is another key and another artifact; an older key is another checkout's to reuse."""
    one = bench.machine("one")
    result, timings = bench.run(one, bench.head)
    assert (bench.fits, {"train", "evaluate", "package"} <= set(timings.reused)) == (0, True)
    second = bench.edit(f"{BAGS}/strength.txt", "0.001\n")
    other, timings = bench.run(one, second)
    assert other.content_key == bench.inputs(second).content_key != result.content_key
    assert (bench.fits, other.artifact != result.artifact) == (1, True)
    assert {"training-set", "quality"} <= set(timings.reused)
    assert {"train", "evaluate", "package", "record"}.isdisjoint(timings.reused)
    back = bench.edit(f"{BAGS}/strength.txt", "1.0\n")
    again, timings = bench.run(one, back)
    assert again == result
    assert (bench.fits, {"train", "evaluate", "package"} <= set(timings.reused)) == (1, True)


def test_data_that_differ_from_the_lock_train_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose import makes other bytes says which data, and what to do, and keeps nothing."""
    monkeypatch.setenv(SEED_VARIABLE, "2")
    first = bench.head
    with pytest.raises(InputError) as raised:
        bench.run(bench.machine("two"), first)
    (problem,) = raised.value.problems
    assert (problem.file, problem.subject) == ("dvc.lock", DATA)
    assert problem.allowed == bench.inputs(first).stages["training-set"][f"data:{DATA}"]
    assert "dvc commit" in problem.message
    assert bench.fits == 0
    # What it made stays with it: the machine that has the right data is not touched, and the wrong data are not taken.
    result, _ = bench.run(bench.machine("one"), first)
    assert result.data == {DATA: problem.allowed}
    with pytest.raises(InputError):
        bench.run(bench.machine("two"), first)
    with pytest.raises(InputError):
        bench.machine("two").sources(first, silent)


def test_training_in_a_clone_never_rewrites_what_its_lock_names(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the data were edited, or are gone and the import makes others: refused, and dvc.lock is as it was."""
    pipeline = bench.pipeline("one")
    lock = (bench.clone / "dvc.lock").read_bytes()
    data = bench.clone / DATA
    right = data.read_bytes()
    data.unlink()
    data.write_bytes(right + b"one byte more")
    with pytest.raises(InputError, match=r"not what dvc\.lock names"):
        pipeline.run(bench.clone, BAGS, silent)
    assert ((bench.clone / "dvc.lock").read_bytes(), bench.fits) == (lock, 0)
    assert data.read_bytes() == right + b"one byte more"
    data.unlink()
    shutil.rmtree(pipeline.cache)
    monkeypatch.setenv(SEED_VARIABLE, "2")
    with pytest.raises(InputError, match=r"not what dvc\.lock names"):
        pipeline.run(bench.clone, BAGS, silent)
    assert ((bench.clone / "dvc.lock").read_bytes(), bench.fits) == (lock, 0)
    assert git(bench.clone, "status", "--porcelain") == ""


def test_data_that_are_gone_come_back_by_their_digest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the cache, although the import would make others now, or was itself edited since."""
    monkeypatch.setenv(SEED_VARIABLE, "2")
    edited = bench.edit(
        "features/sources/import_bags.py", (bench.clone / "features/sources/import_bags.py").read_text() + "# later\n"
    )
    result, _ = bench.run(bench.machine("one"), edited)
    assert result.data == {DATA: bench.inputs(edited).stages["training-set"][f"data:{DATA}"]}
    assert bench.fits == 0


def test_an_import_that_makes_the_same_data_elsewhere_is_fine(bench: Bench) -> None:
    """A machine with nothing in its cache imports, and comes to the same record."""
    first = bench.head
    here, _ = bench.run(bench.machine("one"), first)
    elsewhere, timings = bench.run(bench.machine("two"), first)
    assert elsewhere == here
    assert "sources/import_bags" in timings.seconds
    assert bench.fits == 1


def test_two_runs_of_one_version_learn_from_the_data_that_each_chose(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """run.yaml names data of an earlier day by digest: they come from the cache, and other data lie beside them."""
    first = bench.head
    chosen = bench.inputs(first).stages["training-set"][f"data:{DATA}"]
    early, _ = bench.run(bench.machine("one"), first)
    monkeypatch.setenv(SEED_VARIABLE, "2")
    bench.edit("features/sources/import_bags.py", f"{IMPORT}# of today\n")
    (bench.clone / DATA).unlink()
    (bench.clone / "dvc.lock").unlink()
    bench.pipeline("one").import_sources(bench.clone, silent)
    moved = commit(bench.clone, "new data")
    late, _ = bench.run(bench.machine("one"), moved)
    assert (late.data[DATA] != chosen, late.artifact != early.artifact) == (True, True)
    again, _ = bench.run(bench.machine("one"), bench.choose(chosen))
    assert (again.data, again.artifact) == (early.data, early.artifact)
    nowhere = bench.choose(NOBODYS)
    fits = bench.fits
    with pytest.raises(InputError) as raised:
        bench.run(bench.machine("one"), nowhere)
    (problem,) = raised.value.problems
    assert (problem.file, problem.subject, problem.allowed) == (f"{BAGS}/run.yaml", DATA, NOBODYS)
    assert bench.fits == fits


def test_a_work_tree_of_sources_that_somebody_changed_is_made_anew(bench: Bench) -> None:
    """What features are made of is what dvc.lock names, whatever happens to the work tree."""
    machine, head = bench.machine("one"), bench.head
    right = (bench.clone / DATA).read_bytes()
    data = machine.sources(head, silent) / DATA
    assert data.read_bytes() == right
    data.write_bytes(right[:100])
    assert (machine.sources(head, silent) / DATA).read_bytes() == right
    data.unlink()
    assert (machine.sources(head, silent) / DATA).read_bytes() == right


def test_code_finds_no_file_that_is_not_in_its_key(bench: Bench) -> None:
    """Neither by a path beside it nor from where it runs: what model.py reads there is what its version's key holds."""
    code = (bench.clone / BAGS / "model.py").read_text()
    for where in ('Path("features/sources/bags.yaml")', 'Path(__file__).with_name("README.md")'):
        reading = code.replace("    strength =", f"    {where}.read_text()\n    strength =")
        with pytest.raises(InputError, match="FileNotFoundError"):
            bench.run(bench.machine("one"), bench.edit(f"{BAGS}/model.py", reading))
    by_name = code.replace('Path(__file__).with_name("strength.txt")', 'Path("strength.txt")')
    bench.run(bench.machine("one"), bench.edit(f"{BAGS}/model.py", by_name))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_all_of_the_engine_that_a_stage_runs_is_in_its_key(ran: Path, tmp_path: Path, stage: Stage) -> None:
    """As a process of its own, done with its work, it has imported nothing but its component."""
    loaded = tmp_path / "loaded.json"
    command = [sys.executable, "-P", import_spy.__file__, str(loaded), stage.module, str(ran), BAGS]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, RAN_VARIABLE: os.devnull})
    package = Path(bighead_ci.__file__).parent
    files = {Path(file).relative_to(package).as_posix() for file in json.loads(loaded.read_text()).values()}
    assert "delivery/stages/place.py" in files
    assert files <= InstalledEngine().component({stage.module}).files.keys()
