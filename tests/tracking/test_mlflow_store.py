"""What the MLflow store does beyond the port: what MLflow shows, and what happens when something is in the way."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.record import Metric
from bighead_ci.errors import InputError, RetryError
from bighead_ci.tracking.mlflow_store import MlflowRecordStore
from bighead_ci.tracking.mlflow_writer import MlflowWriter
from bighead_ci.tracking.store_lock import exclusive
from fakes.record_samples import make_artifact, make_record


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("empty")
    MlflowWriter(directory / "mlflow.db", directory / "artifacts")
    return directory / "mlflow.db"


@pytest.fixture
def directory(tmp_path: Path, empty_database: Path) -> Path:
    directory = tmp_path / "records"
    directory.mkdir()
    shutil.copyfile(empty_database, directory / "mlflow.db")
    return directory


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path / "artifact")


def client_of(directory: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{directory}/mlflow.db", f"sqlite:///{directory}/mlflow.db")


def test_database_is_made_at_the_first_save_in_any_path(tmp_path: Path, artifact: Path) -> None:
    """A directory with spaces, percent, question and number signs works, and no half-made database stays behind."""
    directory = tmp_path / "a b%20c?d#e" / "records"
    store = MlflowRecordStore(directory)
    assert store.by_content_key(digest_of("key")) is None
    assert not directory.exists()
    saved = store.save(make_record(artifact), {"artifact": artifact})
    assert MlflowRecordStore(directory).by_run(saved.run_id) == saved
    assert sorted(path.name for path in directory.iterdir() if path.is_file()) == ["mlflow.db", "writer.lock"]


def test_mlflow_shows_metrics_parameters_and_files(directory: Path, artifact: Path) -> None:
    """Read with MLflow's own client, the run is finished and has figures, parameters and artifacts."""
    saved = MlflowRecordStore(directory).save(make_record(artifact), {"artifact": artifact})
    client = client_of(directory)
    run = client.get_run(saved.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "flight_delay/v1"
    metrics = run.data.metrics
    assert (metrics["auc"], metrics["interval/auc_low"], metrics["interval/auc_high"]) == (0.71, 0.69, 0.73)
    assert run.data.params["depth"] == "3"
    names = {file.path for file in client.list_artifacts(saved.run_id)}
    assert names == {"artifact", "artifact.sha256", "figures.json", "record.json"}


@pytest.mark.parametrize("tag", ["content_key", "artifact", "commit", "model", "version", "id"])
def test_runs_are_searched_by_tag_in_mlflow(directory: Path, artifact: Path, tag: str) -> None:
    """MLflow's search finds the run by what identifies it."""
    saved = MlflowRecordStore(directory).save(make_record(artifact), {"artifact": artifact})
    client = client_of(directory)
    experiment = client.get_experiment_by_name("flight_delay")
    found = client.search_runs([experiment.experiment_id], f"tags.`bighead.{tag}` = '{getattr(saved, tag)}'")
    assert [run.info.run_id for run in found] == [saved.run_id]


def test_registry_has_a_version_a_record_and_an_alias_an_environment(directory: Path, artifact: Path) -> None:
    """Each record is one registry version; an alias follows what an environment serves and goes when it stops."""
    store, client = MlflowRecordStore(directory), client_of(directory)
    first = store.save(make_record(artifact, "a"), {"artifact": artifact})
    second = store.save(make_record(artifact, "b"), {"artifact": artifact})
    versions = client.search_model_versions("name = 'flight_delay'")
    assert {version.run_id for version in versions} == {first.run_id, second.run_id}
    for served in (first, second):
        store.project_alias("flight_delay", "production", served.run_id)
        assert client.get_model_version_by_alias("flight_delay", "production").run_id == served.run_id
    store.project_alias("flight_delay", "production", None)
    assert client.get_registered_model("flight_delay").aliases == {}


def test_alias_brings_back_a_registry_version_deleted_by_hand(directory: Path, artifact: Path) -> None:
    """The registry is a projection: what somebody deleted there is made again from the record."""
    store, client = MlflowRecordStore(directory), client_of(directory)
    saved = store.save(make_record(artifact), {"artifact": artifact})
    client.delete_registered_model("flight_delay")
    store.project_alias("flight_delay", "production", saved.run_id)
    assert client.get_model_version_by_alias("flight_delay", "production").run_id == saved.run_id


def test_a_run_has_a_page_only_where_a_server_shows_it(directory: Path, artifact: Path) -> None:
    """Without one there is no dead link, but the command that serves this very database, and where the run is then."""
    store = MlflowRecordStore(directory)
    run = store.save(make_record(artifact), {"artifact": artifact}).run_id
    assert store.run_url(run) == ""
    command, _, page = store.run_command(run).partition("  # then open ")
    assert command == f'mlflow ui --backend-store-uri "sqlite:///{directory}/mlflow.db"'
    served = MlflowRecordStore(directory, ui="https://mlflow.example/").run_url(run)
    assert served == page.replace("http://127.0.0.1:5000", "https://mlflow.example")
    assert served.endswith(f"/runs/{run}")
    with pytest.raises(InputError, match="no complete record has run id"):
        store.run_command("other")


def test_run_deleted_in_mlflow_is_no_record(directory: Path, artifact: Path) -> None:
    """A run that somebody deleted is not reused, and its content key can be saved again."""
    store = MlflowRecordStore(directory)
    first = store.save(make_record(artifact), {"artifact": artifact})
    client_of(directory).delete_run(first.run_id)
    assert store.by_content_key(first.content_key) is None
    second = store.save(make_record(artifact), {"artifact": artifact})
    assert second.run_id != first.run_id
    assert store.by_content_key(first.content_key) == second


def test_failed_save_leaves_nothing(directory: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When registering fails, no run, registry version or file of it stays."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "mlflow.db")

    store = MlflowRecordStore(directory)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowWriter, "complete", fail)
        with pytest.raises(RetryError, match="disk is full"):
            store.save(make_record(artifact), {"artifact": artifact})
    client = client_of(directory)
    assert client.search_runs([client.get_experiment_by_name("flight_delay").experiment_id]) == []
    assert client.search_model_versions("name = 'flight_delay'") == []
    assert list((directory / "artifacts").iterdir()) == []
    assert store.save(make_record(artifact), {"artifact": artifact}).run_id


def test_record_that_cannot_be_read_back_is_refused(directory: Path, artifact: Path) -> None:
    """A metric that is not a number has no JSON: the save names it."""
    record = make_record(artifact)
    broken = {"auc": Metric(value=float("nan"), low=0.0, high=1.0)}
    evaluation = record.evaluation.model_copy(update={"metrics": broken})
    with pytest.raises(InputError, match=r"evaluation\.metrics\.auc\.value"):
        MlflowRecordStore(directory).save(record.model_copy(update={"evaluation": evaluation}), {"artifact": artifact})


def test_damaged_record_file_is_named(directory: Path, artifact: Path) -> None:
    """A cut `record.json` is an error that names it, never half a record."""
    store = MlflowRecordStore(directory)
    saved = store.save(make_record(artifact), {"artifact": artifact})
    path = store.file(saved.run_id, "record.json")
    assert path is not None
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match=r"record\.json"):
        store.by_content_key(saved.content_key)


def test_locked_database_asks_to_try_again(directory: Path, artifact: Path) -> None:
    """While another process holds the database, reading and saving raise RetryError and name it; after, both work."""
    store = MlflowRecordStore(directory, busy_seconds=0.1)
    with closing(sqlite3.connect(directory / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RetryError, match=r"mlflow\.db is locked"):
            store.by_content_key(digest_of("key"))
        with pytest.raises(RetryError, match=r"mlflow\.db is locked"):
            store.save(make_record(artifact), {"artifact": artifact})
    assert store.save(make_record(artifact), {"artifact": artifact}).run_id


def test_writer_that_takes_too_long_is_named(directory: Path, artifact: Path) -> None:
    """A second writer gives up after its time and says which process holds the lock."""
    store = MlflowRecordStore(directory, lock_seconds=0.1)
    with exclusive(directory / "writer.lock", 1), pytest.raises(RetryError, match=f"process {os.getpid()}"):
        store.save(make_record(artifact), {"artifact": artifact})


def test_file_that_is_no_database_is_refused(tmp_path: Path, artifact: Path) -> None:
    """Something else called mlflow.db is left as it is, and the error names it."""
    (tmp_path / "mlflow.db").write_bytes(b"not SQLite" * 200)
    store = MlflowRecordStore(tmp_path)
    with pytest.raises(InputError, match=r"mlflow\.db is damaged"):
        store.by_content_key(digest_of("key"))
    with pytest.raises(InputError, match=r"mlflow\.db is damaged"):
        store.save(make_record(artifact), {"artifact": artifact})
    assert (tmp_path / "mlflow.db").read_bytes() == b"not SQLite" * 200


def test_directory_that_cannot_be_made_is_refused(tmp_path: Path, artifact: Path) -> None:
    """A path below a file cannot hold records; the error names it."""
    (tmp_path / "file").write_text("x")
    store = MlflowRecordStore(tmp_path / "file" / "records")
    with pytest.raises(InputError, match="cannot use"):
        store.save(make_record(artifact), {"artifact": artifact})
