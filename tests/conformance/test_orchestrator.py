"""What every orchestrator does: the local one with DVC and real stages, and the one in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.lock_file import packages
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import RunResult, Timings
from bighead_ci.errors import InputError
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.orchestrators.local import LocalOrchestrator
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import ARTIFACT, CONVERSION, PREDICTIONS, SAMPLE, STAGE_NAMES
from bighead_ci.ports.orchestrator import Orchestrator
from bighead_ci.ports.progress import silent
from bighead_ci.ports.tree import Tree
from bighead_ci.scorers.artifact import artifact_digest
from fakes.bags_bench import bags_bench
from fakes.bags_repository import BAGS, DATA, SEED_VARIABLE
from fakes.context import model_version
from fakes.engine import MemoryEngine
from fakes.forge import MemoryRepository
from fakes.memory_tree import repository
from fakes.orchestrator import MemoryOrchestrator
from fakes.waiting import until

KEY = f"sha256:{'7' * 64}"
WAIT = 30.0


@dataclass
class Bench:
    """An orchestrator, and a repository with one model version whose stages it runs."""

    orchestrator: Orchestrator
    first: str
    """A commit."""
    folder: str
    """The version's directory."""
    data: str
    """Path of the one source's data."""
    inputs: Callable[[str], VersionInputs]
    tree: Callable[[str], Tree]
    """The files of a commit."""
    edit: Callable[[str, str], str]
    """A file of the version gets another text: the new commit."""
    makes_other_data: Callable[[], Orchestrator]
    """An orchestrator that, for the same commits, makes other data than dvc.lock names."""

    def run(self, commit: str, progress: Callable[[str], None] = silent) -> tuple[RunResult, Timings]:
        """Run a commit on its own inputs."""
        with self.orchestrator.run(commit, self.inputs(commit), progress) as outcome:
            return outcome.result, outcome.timings


def in_memory(directory: Path) -> Bench:
    """Nothing is read from a disk, and no stage runs."""
    kept, engine, folder = MemoryRepository(), MemoryEngine(), "models/late/v1"
    content = repository(**model_version("v1"), **{f"{folder}/strength.txt": "1.0\n"})
    first = kept.commit("main", kept.resolve("main"), {p: t.encode() for p, t in content.items()}, "begin", "ada")
    orchestrator = MemoryOrchestrator(directory, kept.tree, engine)

    def edit(name: str, text: str) -> str:
        return kept.commit("main", kept.resolve("main"), {f"{folder}/{name}": text.encode()}, name, "ada")

    def inputs(commit: str) -> VersionInputs:
        found = Inputs(Files(kept.tree(commit)), engine)
        return found.of(found.definitions.model("late", "v1"))

    def other() -> Orchestrator:
        found = MemoryOrchestrator(directory / "other", kept.tree, engine)
        found.data["features/sources/flights.parquet"] = "b" * 32
        return found

    return Bench(orchestrator, first, folder, "features/sources/flights.parquet", inputs, kept.tree, edit, other)


@pytest.fixture(params=["memory", pytest.param("local", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        yield in_memory(tmp_path)
        return
    with (
        bags_bench(request.getfixturevalue("trained_bags"), tmp_path / "bench") as bags,
        pytest.MonkeyPatch.context() as patch,
    ):

        def other() -> Orchestrator:
            patch.setenv(SEED_VARIABLE, "2")
            return bags.machine("two")

        yield Bench(
            bags.machine("one"),
            bags.head,
            BAGS,
            DATA,
            bags.inputs,
            bags.repository.tree,
            lambda name, text: bags.edit(f"{BAGS}/{name}", text),
            other,
        )


@pytest.fixture(params=["memory", "local"])
def orchestrator(request: pytest.FixtureRequest, tmp_path: Path) -> Orchestrator:
    """One that runs nothing."""
    if request.param == "memory":
        return in_memory(tmp_path).orchestrator
    return LocalOrchestrator(DvcPipeline(tmp_path / "cache"), tmp_path / "checkouts", lambda _, __: None)


def test_a_run_leaves_what_its_inputs_name(bench: Bench) -> None:
    """The result says which inputs and data it is of; artifact, predictions and sample lie beside it, to be kept."""
    inputs, said = bench.inputs(bench.first), list[str]()
    with bench.orchestrator.run(bench.first, inputs, said.append) as outcome:
        result = outcome.result
        assert artifact_digest(outcome.files / ARTIFACT) == result.artifact
        assert pq.read_table(outcome.files / PREDICTIONS).num_rows > 0
        assert pq.read_table(outcome.files / SAMPLE).num_rows > 0
        assert MeasuredConversion.read(outcome.files / CONVERSION).conversion == result.evaluation.conversion
    assert (result.inputs, result.content_key) == (inputs, inputs.content_key)
    assert f"models/{result.id}" == bench.folder
    assert result.data == {bench.data: inputs.stages["training-set"][f"data:{bench.data}"]}
    assert {*STAGE_NAMES} <= outcome.timings.seconds.keys()
    for stage in STAGE_NAMES:
        assert {f"{stage} …", f"{stage}: reused"} & {*said}, stage


def test_files_that_no_commit_has_run_as_those_of_a_commit(bench: Bench) -> None:
    """To the same result, and nothing runs twice."""
    result, _ = bench.run(bench.first)
    inputs = bench.inputs(bench.first)
    with bench.orchestrator.run_tree(bench.tree(bench.first), inputs, silent) as outcome:
        assert outcome.result == result
        assert {"training-set", "quality", "train", "evaluate", "package"} <= {*outcome.timings.reused}
        assert (outcome.files / PREDICTIONS).is_file()


def test_the_packages_of_a_result_are_those_of_the_locks(bench: Bench) -> None:
    """So that a report can say which library changed."""
    result, _ = bench.run(bench.first)
    files = Files(DirectoryTree(bench.orchestrator.sources(bench.first, silent)))
    for name in ("training", "serving"):
        found = files.lock(f"{bench.folder}/{name}.lock")
        assert (result.packages[name], found.problems) == (packages(found.pins), ())
        assert result.packages[name] != {}


def test_the_same_inputs_run_once_and_an_edit_runs_what_could_see_it(bench: Bench) -> None:
    """Another text beside model.py is another key and another artifact; going back to the first text runs nothing."""
    once, late = {"training-set", "quality"}, {"train", "evaluate", "package"}
    result, _ = bench.run(bench.first)
    other, timings = bench.run(bench.edit("strength.txt", "0.001\n"))
    assert (other.content_key != result.content_key, other.artifact != result.artifact) == (True, True)
    assert once <= {*timings.reused}
    assert (late | {"record"}).isdisjoint(timings.reused)
    again, timings = bench.run(bench.edit("strength.txt", "1.0\n"))
    assert again == result
    assert once | late <= {*timings.reused}


def test_other_data_than_the_inputs_name_are_refused(bench: Bench) -> None:
    """By a run and for features: says which, and where they are named."""
    elsewhere = bench.makes_other_data()
    for refused in (
        lambda: elsewhere.run(bench.first, bench.inputs(bench.first), silent).__enter__(),
        lambda: elsewhere.sources(bench.first, silent),
        lambda: elsewhere.sources(bench.first, silent, [bench.data]),
    ):
        with pytest.raises(InputError) as raised:
            refused()
        (problem,) = raised.value.problems
        assert (problem.file, problem.subject) == ("dvc.lock", bench.data)


def test_other_code_than_the_inputs_name_is_refused(bench: Bench) -> None:
    """What was planned on one commit and run on another names what differs."""
    planned = bench.inputs(bench.first)
    moved = bench.edit("strength.txt", "0.5\n")
    with pytest.raises(InputError, match=r"strength\.txt"), bench.orchestrator.run(moved, planned, silent):
        pytest.fail("it ran")
    assert bench.run(moved)[0].inputs == bench.inputs(moved)


def test_sources_are_in_place_whatever_happens_to_them(bench: Bench) -> None:
    """The files of the commit, with each source's data, although somebody changed or took them since."""
    data = bench.orchestrator.sources(bench.first, silent, [bench.data]) / bench.data
    right = data.read_bytes()
    assert pq.read_table(data).num_columns > 0
    assert (bench.orchestrator.sources(bench.first, silent) / bench.folder / "model.yaml").exists()
    data.write_bytes(right[:100])
    assert (bench.orchestrator.sources(bench.first, silent) / bench.data).read_bytes() == right
    data.unlink()
    assert (bench.orchestrator.sources(bench.first, silent) / bench.data).read_bytes() == right


def test_one_at_a_time_makes_a_content_key(orchestrator: Orchestrator) -> None:
    """A second one says that it waits, and goes on when the first is done; another key waits for nobody."""
    said, order = list[str](), list[str]()

    def second() -> None:
        with orchestrator.exclusive(KEY, said.append):
            order.append("second")

    with orchestrator.exclusive(KEY, said.append):
        waiting = threading.Thread(target=second)
        waiting.start()
        until(lambda: said != [])
        with orchestrator.exclusive(f"sha256:{'8' * 64}", said.append):
            order.append("another key")
        order.append("first")
    waiting.join(WAIT)
    assert order == ["another key", "first", "second"]
    assert said == ["another process makes content key 777777777777; waiting for it"]


def test_a_key_is_free_again_after_a_failure(orchestrator: Orchestrator) -> None:
    """Whatever ended the block."""
    with pytest.raises(InputError), orchestrator.exclusive(KEY, silent):
        raise InputError("bad data")
    said: list[str] = []
    with orchestrator.exclusive(KEY, said.append):
        assert said == []
