"""`bighead train --set … --compare`: what people read of experiments, and the real thing from end to end."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from rich.console import Console

from bighead_ci.cli.train import experiment_table, train_command
from bighead_ci.delivery.experiment import Experiments, Subject
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.experiment import ComparedExperiment, ExperimentTable
from bighead_ci.documents.record import Metric, MetricDifference
from bighead_ci.errors import InputError
from bighead_ci.tracking.mlflow_store import MlflowRecordStore
from bighead_ci.wiring import experiments
from bighead_ci.workspaces import variables
from fakes.bags_bench import BagsBench, bags_bench
from fakes.bags_repository import BAGS
from fakes.context import FakeContext, encoded, model_version
from fakes.memory_tree import MODEL, dedented, repository
from fakes.repositories import git


def row(value: float, outcome: Any, **overrides: Any) -> ComparedExperiment:
    difference = MetricDifference(
        metric="auc", against="as written", model_version="v1", ours=value, theirs=0.7, rows=100,
        difference=value - 0.7, low=value - 0.71, high=value - 0.69,
    )  # fmt: skip
    return ComparedExperiment(
        run_id="f" * 32,
        overrides=overrides,
        metric=Metric(value=value, low=value - 0.1, high=value + 0.1),
        difference=difference if overrides else None,
        outcome=outcome,
        uncompared="",
        commit="a" * 40,
        dirty=True,
        seconds=12.34,
    )


def test_the_table_has_a_column_a_parameter_and_a_row_a_run() -> None:
    """Values, the metric with its interval, the paired difference with its own, and the judgement."""
    rows = [row(0.75, "better", trees=200), row(0.7, ""), row(0.6, "worse", rate=0.5)]
    table = ExperimentTable(
        model="late", version="v1", base=digest_of("base"), metric="auc", higher_is_better=True,
        written={"trees": 100, "rate": 0.1}, rows=rows, command="mlflow ui",
    )  # fmt: skip
    output = io.StringIO()
    Console(file=output, width=160).print(experiment_table(table))
    lines = [re.split(r"\s*[│┃]\s*", line.strip("│┃ ")) for line in output.getvalue().splitlines() if "│" in line]
    assert lines[0][:3] == ["200", "0.1", "0.750"]
    assert lines[0][4].split()[0] == "+0.050"
    assert [line[5] for line in lines] == ["better", "", "worse"]
    assert lines[1][4] == "as written"
    assert lines[2][:2] == ["100", "0.5"]
    assert lines[0][-1] == "aaaaaaaaaa and edits"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree that is in no workspace."""
    monkeypatch.delenv(variables.STATE, raising=False)
    monkeypatch.chdir(tmp_path)
    for path, text in repository().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text + ("parameters: {trees: 100}\n" if path.endswith("model.yaml") else ""))
    return tmp_path


def asked(*arguments: str) -> Any:
    return CliRunner().invoke(train_command, ["models/late/v1", *arguments])


def test_without_experiments_it_says_what_can_be_set(checkout: Path) -> None:
    """Nothing is trained to say so."""
    done = asked("--compare")
    assert done.exit_code == 0, done.output
    assert "no experiment on models/late/v1 as it is now; --set changes a parameter of it: trees 100" in done.stdout
    assert not (checkout / "models/late/v1/out").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [("tres=5", r"did you mean 'trees'"), ("trees=a", "is a number here"), ("trees=100", "says that already")],
)
@pytest.mark.usefixtures("checkout")
def test_a_setting_that_makes_no_sense_ends_before_anything_runs(setting: str, message: str) -> None:
    """Exit code 2, with model.yaml named."""
    done = asked("--set", setting)
    assert done.exit_code == 2
    assert re.search(rf"models/late/v1/model\.yaml.*{message}", done.stderr)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeContext:
    """Of a work tree whose stages are doubles; fewer than ten trees cannot be trained."""
    context = FakeContext(tmp_path / "context")

    def learned(parameters: Mapping[str, Any]) -> float:
        if parameters["trees"] < 10:
            raise InputError("models/late/v2/model.py:3: build: ValueError: too few")
        return float(parameters["trees"]) / 100

    context.orchestrator.learned = learned
    text = dedented({"m": MODEL})["m"] + "parameters: {trees: 100}\n"
    changes = encoded({**model_version("v2"), "models/late/v2/model.yaml": text})
    tree = context.repository.tree(context.repository.commit("mine", context.tip, changes, "mine", "ada"))
    subject = Subject("late", "v2", tree, commit=None, dirty=True)
    monkeypatch.setattr(experiments, "experiments_here", lambda _, __, say: Experiments(context, subject, say))
    monkeypatch.setattr(experiments, "bring_data", lambda *_: None)
    return context


def on_doubles(*arguments: str) -> Any:
    return CliRunner().invoke(train_command, ["models/late/v2", *arguments])


@pytest.mark.usefixtures("context")
def test_one_that_failed_is_said_beside_the_others_and_in_the_exit_code() -> None:
    """People and programs learn what to mend; the rest is compared."""
    done = on_doubles("--set", "trees=5,300", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 2
    assert [row["overrides"] for row in found["rows"]] == [{"trees": 300}, {}]
    assert [(one["about"], one["message"][-7:]) for one in found["failed"]] == [("trees=5", "too few")]
    assert found["adopt"] == "parameters:\n  trees: 300"
    shown = on_doubles("--set", "trees=20,300", "--compare")
    assert shown.exit_code == 0
    assert "the best is trees=300; to adopt it, write into models/late/v2/model.yaml:" in shown.stdout
    assert shown.stdout.endswith("parameters:\n  trees: 300\n")
    assert "2 experiments on models/late/v2, one after another: trees=20; trees=300" in shown.stderr


def test_an_interruption_says_how_to_see_what_is_done(context: FakeContext) -> None:
    """And the next command shows it."""

    def interrupt(_: str) -> None:
        if len(context.orchestrator.trained) == 2:
            raise KeyboardInterrupt

    context.orchestrator.before = interrupt
    done = on_doubles("--set", "trees=20,300")
    assert done.exit_code == 130
    assert "what is done is kept: bighead train models/late/v2 --compare" in done.stderr
    shown = on_doubles("--compare")
    assert "none is better than the version as written" in shown.stdout
    assert "worse" in shown.stdout


@pytest.fixture(scope="module")
def bench(trained_bags: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BagsBench]:
    with bags_bench(trained_bags, tmp_path_factory.mktemp("experiments") / "bench") as found:
        found.pipeline("one")  # the workspace is where it was copied to
        yield found


def begin(bench: BagsBench, *settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bighead_ci", "train", BAGS, *settings, "--compare", "--json"],
        cwd=bench.clone,
        env={**os.environ, variables.STATE: str(bench.directory / "one")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def files_of(bench: BagsBench) -> dict[str, bytes]:
    return {
        path.relative_to(bench.clone).as_posix(): path.read_bytes()
        for path in sorted((bench.clone / "models").rglob("*"))
        if path.is_file()
    }


@pytest.mark.e2e
@pytest.mark.timeout(900)  # two trainings, and every stage of a third begun and reused
def test_experiments_from_end_to_end(bench: BagsBench) -> None:
    """Killed in the second, begun again, compared: one MLflow run each, the work tree untouched, nothing registered."""
    (bench.clone / BAGS / "out").mkdir(exist_ok=True)
    (bench.clone / BAGS / "out" / "record.json").write_text("of an earlier run")
    before, settings = files_of(bench), ("--set", "regularisation=0.0001,100")
    killed = begin(bench, *settings)
    assert killed.stderr is not None
    for line in killed.stderr:
        bench.say(line)
        if "2 of 2" in line:
            os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert files_of(bench) == before
    second = begin(bench, *settings)
    out, said = second.communicate()
    assert second.returncode == 0, said
    table = json.loads(out)
    assert files_of(bench) == before
    assert git(bench.clone, "status", "--porcelain") == ""
    assert "train …" not in said.partition("2 of 2")[0]
    assert "training-set: reused" in said
    assert sorted(str(one["overrides"]) for one in table["rows"]) == sorted(
        ["{}", "{'regularisation': 0.0001}", "{'regularisation': 100}"]
    )
    values = [one["metric"]["value"] for one in table["rows"]]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1
    assert all(one["difference"]["rows"] > 0 for one in table["rows"] if one["overrides"])
    address = f"sqlite:///{bench.directory}/one/records/mlflow.db"
    client = MlflowClient(address, address)
    group = client.get_experiment_by_name("bags.experiments")
    runs = client.search_runs([group.experiment_id])
    assert {run.info.run_id for run in runs} == {one["run_id"] for one in table["rows"]}
    assert {run.data.params["regularisation"] for run in runs} == {"1.0", "0.0001", "100"}
    assert all("auc" in run.data.metrics and "interval/auc_low" in run.data.metrics for run in runs)
    assert {run.data.tags["bighead.base_commit"] for run in runs} == {bench.head}
    assert {run.data.tags["bighead.dirty"] for run in runs} == {"false"}
    assert client.search_model_versions() == []
    assert client.search_registered_models() == []
    assert list(MlflowRecordStore(bench.directory / "one" / "records").of_version("bags", "v1")) == []
