"""What a local run read is held against what it was planned on, before anybody sees its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import RunResult, Timings
from bighead_ci.errors import InputError, Problem
from bighead_ci.orchestrators.dvc import DvcPipeline
from bighead_ci.orchestrators.local import LocalOrchestrator
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import RECORD
from bighead_ci.ports.progress import Progress, silent
from fakes.engine import MemoryEngine
from fakes.memory_tree import DELAYS, DVC_LOCK, MODEL, MemoryTree, repository
from fakes.record_samples import make_artifact, make_record

FOLDER = "models/late/v1"
ENGINE = MemoryEngine()
NOTHING: Mapping[str, str] = {}
DATA = "features/sources/flights.parquet"


def inputs_of(changes: Mapping[str, str] = NOTHING, engine: MemoryEngine = ENGINE) -> VersionInputs:
    inputs = Inputs(Files(MemoryTree(repository(**changes))), engine)
    return inputs.of(inputs.definitions.model("late", "v1"))


PLANNED = inputs_of()


def check_out(_commit: str, directory: Path) -> None:
    """Put the files of the one commit there is into a directory."""
    for path, text in repository().items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)


class ReadsOther(DvcPipeline):
    """A pipeline whose last stage has left a record of these inputs."""

    def __init__(self, read: VersionInputs, directory: Path) -> None:
        super().__init__(directory / "cache")
        sample = make_record(make_artifact(directory / "artifact"))
        fields = {name: getattr(sample, name) for name in RunResult.model_fields}
        named = {"model": "late", "version": "v1", "inputs": read, "content_key": read.content_key}
        self.result = RunResult.model_validate({**fields, **named})

    def run(self, checkout: Path, directory: str, progress: Progress) -> Timings:
        """Leave the record."""
        progress("record …")
        out = checkout / directory / "out"
        out.mkdir(parents=True)
        self.result.write(out / RECORD)
        return Timings(seconds={}, reused=[])


@pytest.fixture
def run(tmp_path: Path) -> Callable[[VersionInputs], RunResult]:
    """Runs what was planned, on a machine whose stages read these inputs."""

    def run_on(read: VersionInputs) -> RunResult:
        pipeline = ReadsOther(read, tmp_path)
        orchestrator = LocalOrchestrator(pipeline, tmp_path / "checkouts", check_out)
        with orchestrator.run("a" * 40, PLANNED, silent) as outcome:
            return outcome.result

    return run_on


def problems(run: Callable[[VersionInputs], RunResult], read: VersionInputs) -> list[Problem]:
    with pytest.raises(InputError) as raised:
        run(read)
    return list(raised.value.problems)


def test_what_was_read_as_planned_is_handed_on(run: Callable[[VersionInputs], RunResult]) -> None:
    """With the record that the stages left."""
    assert run(inputs_of()).inputs == PLANNED


def test_other_data_say_how_to_bring_the_right_ones_back(run: Callable[[VersionInputs], RunResult]) -> None:
    """Which data, both digests, what to do."""
    (problem,) = problems(run, inputs_of({"dvc.lock": DVC_LOCK.replace("aaaa", "bbbb")}))
    assert (problem.file, problem.subject, problem.value, problem.allowed) == ("dvc.lock", DATA, "bbbb", "aaaa")
    assert "dvc checkout" in problem.message


@pytest.mark.parametrize(
    ("read", "where"),
    [
        (inputs_of({f"{FOLDER}/model.py": "x = 1\n"}), {(f"{FOLDER}/model.py", "")}),
        (
            inputs_of({f"{FOLDER}/words.txt": "late\n"}),
            {
                (f"{FOLDER}/words.txt", ""),
                *((FOLDER, f"spec:code of {stage}") for stage in ("train", "evaluate", "package")),
            },
        ),
        (
            inputs_of({f"{FOLDER}/model.yaml": MODEL + "    parameters: {trees: 4}\n"}),
            {
                (FOLDER, f"spec:parameters{of}")
                for of in (" of train", " of record", ".trees of train", ".trees of record")
            },
        ),
        (
            inputs_of({"features/delays/v1/feature_set.yaml": DELAYS.replace("[1h, 7d]", "[2h, 7d]")}),
            {
                (FOLDER, "spec:sets of training-set"),
                (FOLDER, "spec:features of train"),
                (FOLDER, "spec:features of record"),
            },
        ),
        (inputs_of(engine=ENGINE.upgraded("duckdb", "99.0")), {(FOLDER, "distribution:duckdb")}),
        (inputs_of(engine=ENGINE.on_python("3.99")), {(FOLDER, "python")}),
        (inputs_of(engine=ENGINE.edited("entry_points/stages/quality.py")), {(FOLDER, "engine of quality")}),
    ],
    ids=["code", "a new file", "parameters", "features", "a library", "Python", "the engine"],
)
def test_whatever_was_read_otherwise_is_named_with_what_to_do(
    run: Callable[[VersionInputs], RunResult], read: VersionInputs, where: set[tuple[str, str]]
) -> None:
    """Code, definitions, libraries and engine that changed while the stages ran: the input, and to run again."""
    found = problems(run, read)
    assert {(problem.file, problem.subject) for problem in found} == where
    assert all("run again" in problem.message and problem.value != problem.allowed for problem in found)


def test_a_result_of_another_version_is_refused(run: Callable[[VersionInputs], RunResult]) -> None:
    """Although no input by itself differs."""
    with pytest.raises(InputError, match="late/v2"):
        run(VersionInputs.model_validate({**PLANNED.model_dump(), "version": "v2"}))
