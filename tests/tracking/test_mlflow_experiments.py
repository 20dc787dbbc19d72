"""What MLflow shows of experiments, what a record store sees of them, and what a killed writer leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from bighead_ci.documents.base import digest_of
from bighead_ci.errors import InputError
from bighead_ci.tracking.mlflow_experiments import EXPERIMENT, MlflowExperimentStore
from bighead_ci.tracking.mlflow_store import MlflowRecordStore
from bighead_ci.tracking.mlflow_writer import MlflowWriter
from fakes.record_samples import make_artifact, make_experiment, make_record


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one record and one experiment."""
    directory = tmp_path_factory.mktemp("records")
    artifact = make_artifact(directory / "made")
    MlflowRecordStore(directory).save(make_record(artifact), {"artifact": artifact})
    MlflowExperimentStore(directory).save(make_experiment(), {})
    return directory


def client_of(directory: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{directory}/mlflow.db", f"sqlite:///{directory}/mlflow.db")


def runs_of(directory: Path, base: str) -> list[str]:
    client = client_of(directory)
    group = client.get_experiment_by_name("flight_delay.experiments")
    found = client.search_runs([group.experiment_id], f"tags.`bighead.base` = '{digest_of(base)}'")
    return [run.info.run_id for run in found]


def test_mlflow_shows_what_experiments_are_compared_by(directory: Path) -> None:
    """Parameters with what was replaced, metrics with intervals and the paired difference, and where it comes from."""
    client = client_of(directory)
    run = client.get_run(runs_of(directory, "base")[0])
    assert run.info.run_name == "flight_delay/v1 trees=200"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"trees": "200", "rate": "0.1"}
    assert {name: run.data.metrics[name] for name in ("auc", "interval/auc_low", "difference/auc_high")} == {
        "auc": 0.71,
        "interval/auc_low": 0.69,
        "difference/auc_high": 0.03,
    }
    tags = {name: run.data.tags[f"bighead.{name}"] for name in ("id", "overrides", "base_commit", "dirty", "primary")}
    assert tags == {
        "id": "flight_delay/v1",
        "overrides": '{"trees":200}',
        "base_commit": "a" * 40,
        "dirty": "false",
        "primary": "auc",
    }
    note = run.data.tags["mlflow.note.content"]
    assert "which nothing can promote" in note
    assert note.index("| auc |") < note.index("| accuracy |")
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == [EXPERIMENT]


def test_no_record_store_sees_an_experiment(directory: Path) -> None:
    """By no handle; and the registry has the record's version alone."""
    (run_id,) = runs_of(directory, "base")
    records = MlflowRecordStore(directory)
    assert [record.run_id == run_id for record in records.of_version("flight_delay", "v1")] == [False]
    assert records.by_run(run_id) is None
    assert records.file(run_id, EXPERIMENT) is None
    with pytest.raises(InputError, match="no complete record"):
        records.project_alias("flight_delay", "prod", run_id)
    assert [one.run_id == run_id for one in client_of(directory).search_model_versions()] == [False]


def test_experiments_do_not_see_records(directory: Path) -> None:
    """Nor does a writer of the one clear away what the other began."""
    assert MlflowExperimentStore(directory).by_content_key(digest_of("key")) is not None
    (record,) = MlflowRecordStore(directory).of_version("flight_delay", "v1")
    assert MlflowExperimentStore(directory).file(record.run_id, "record.json") is None


@pytest.mark.parametrize("point", ["describe", "complete"])
def test_a_killed_save_is_not_seen_and_is_cleared_away(
    directory: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Whatever it had written; the same experiment can then be kept."""
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise SystemExit

        patch.setattr(MlflowWriter, point, die)
        with pytest.raises(SystemExit):
            MlflowExperimentStore(directory).save(make_experiment(point, base=point), {})
    store = MlflowExperimentStore(directory)
    assert store.of_base(digest_of(point)) == []
    assert len(runs_of(directory, point)) == 1
    saved = store.save(make_experiment(point, base=point), {})
    assert runs_of(directory, point) == [saved.run_id]
    assert store.of_base(digest_of(point)) == [saved]


def test_a_damaged_experiment_says_how_to_be_rid_of_it(directory: Path) -> None:
    """It is named with its file."""
    store = MlflowExperimentStore(directory)
    saved = store.save(make_experiment("damaged", base="damaged"), {})
    (directory / "artifacts" / saved.run_id / "artifacts" / EXPERIMENT).write_text("{")
    with pytest.raises(InputError, match=rf"experiment\.json is missing or damaged: delete run {saved.run_id}"):
        store.of_base(digest_of("damaged"))
