"""What every record store does: MLflow's and the one in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import InputError
from bighead_ci.ports.tracking import RecordStore
from bighead_ci.tracking.mlflow_store import MlflowRecordStore
from fakes.record_samples import make_artifact, make_record
from fakes.record_store import MemoryRecordStore


@pytest.fixture(params=["memory", "mlflow"])
def store(request: pytest.FixtureRequest, tmp_path: Path, empty_store: Path) -> RecordStore:
    return MemoryRecordStore(tmp_path / "memory") if request.param == "memory" else MlflowRecordStore(empty_store)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path / "artifact")


def test_empty_store_has_no_records(store: RecordStore) -> None:
    """Looking up in a store that was never written finds nothing and does not fail."""
    assert store.by_content_key(digest_of("key")) is None
    assert store.by_artifact(digest_of("artifact")) is None
    assert store.by_run("f" * 32) is None
    assert store.file("f" * 32, "predictions.parquet") is None


def test_saved_record_is_found_by_key_run_and_artifact(store: RecordStore, artifact: Path) -> None:
    """A record comes back equal to what save returned, with a run id, by each of its three handles."""
    saved = store.save(make_record(artifact), {"artifact": artifact})
    assert saved.run_id
    assert saved == make_record(artifact).model_copy(update={"run_id": saved.run_id})
    assert store.by_content_key(saved.content_key) == saved
    assert store.by_artifact(saved.artifact) == saved
    assert store.by_run(saved.run_id) == saved
    assert store.run_url(saved.run_id) == ""
    assert saved.run_id in store.run_command(saved.run_id)
    assert "$(where)" in store.run_command(saved.run_id, "$(where)")


def test_records_that_are_saved_at_once_are_all_kept(store: RecordStore, artifact: Path) -> None:
    """Versions of one pull request are built side by side."""
    records = [make_record(artifact, content_key=digest_of(f"key {number}")) for number in range(8)]
    start = Barrier(4)

    def save(part: list[RunRecord]) -> list[RunRecord]:
        start.wait()
        return [store.save(record, {"artifact": artifact}) for record in part]

    with ThreadPoolExecutor(4) as pool:
        saved = [record for part in pool.map(save, [records[i::4] for i in range(4)]) for record in part]
    assert len({record.run_id for record in saved}) == 8
    assert all(store.by_content_key(record.content_key) == record for record in saved)


def test_saving_a_key_again_returns_the_first_record(store: RecordStore, artifact: Path) -> None:
    """One content key has one record, whatever the second one says."""
    first = store.save(make_record(artifact), {"artifact": artifact})
    second = store.save(make_record(artifact, minutes=5, commit="b" * 40), {"artifact": artifact})
    assert second == first


def test_newest_record_of_an_artifact_wins(store: RecordStore, artifact: Path) -> None:
    """Of several records with the same artifact, the one recorded last is found, in whatever order they came."""
    store.save(make_record(artifact, "b", minutes=1), {"artifact": artifact})
    newest = store.save(make_record(artifact, "c", minutes=2), {"artifact": artifact})
    store.save(make_record(artifact, "a", minutes=0), {"artifact": artifact})
    assert store.by_artifact(newest.artifact) == newest


def test_of_records_at_the_same_moment_the_last_saved_wins(store: RecordStore, artifact: Path) -> None:
    """A clock that stands still does not make the newest record ambiguous."""
    for key in ("x", "z", "y"):
        last = store.save(make_record(artifact, key), {"artifact": artifact})
    assert store.by_artifact(last.artifact) == last


def test_files_and_directories_are_kept_by_name(store: RecordStore, artifact: Path, tmp_path: Path) -> None:
    """A file below a folder, and a whole directory, are read back with their bytes after the source is gone."""
    page = tmp_path / "drift.html"
    page.write_text("page")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "one.txt").write_text("one")
    saved = store.save(make_record(artifact), {"artifact": artifact, "report/drift.html": page, "plots": folder})
    page.unlink()
    kept, plots = store.file(saved.run_id, "report/drift.html"), store.file(saved.run_id, "plots")
    assert kept is not None
    assert kept.read_text() == "page"
    assert plots is not None
    assert (plots / "deep" / "one.txt").read_text() == "one"
    assert store.file(saved.run_id, "report/other.html") is None


def test_attach_adds_and_replaces(store: RecordStore, artifact: Path, tmp_path: Path) -> None:
    """Attaching adds a file to a record and replaces one of the same name; a directory is replaced whole."""
    saved = store.save(make_record(artifact), {"artifact": artifact})
    page, folder = tmp_path / "page.html", tmp_path / "folder"
    folder.mkdir()
    for text in ("one", "two"):
        page.write_text(text)
        for old in folder.iterdir():
            old.unlink()
        (folder / text).write_text(text)
        store.attach(saved.run_id, {"report/pr-1.html": page, "folder": folder})
    kept, kept_folder = store.file(saved.run_id, "report/pr-1.html"), store.file(saved.run_id, "folder")
    assert kept is not None
    assert kept.read_text() == "two"
    assert kept_folder is not None
    assert [file.name for file in kept_folder.iterdir()] == ["two"]
    assert store.by_run(saved.run_id) == saved


def test_attach_to_no_record_is_refused(store: RecordStore, artifact: Path) -> None:
    """Files need a record to belong to."""
    with pytest.raises(InputError, match="no complete record"):
        store.attach("f" * 32, {"folder": artifact})


@pytest.mark.parametrize(
    "name", ["", "/etc/x", "../x", "a/../../x", "./x", "a//b", "record.json", "artifact/model.onnx"]
)
def test_names_that_leave_the_record_or_forge_evidence_are_refused(
    store: RecordStore, artifact: Path, name: str
) -> None:
    """A file's name can neither leave its record nor replace what the store itself wrote."""
    saved = store.save(make_record(artifact), {"artifact": artifact})
    with pytest.raises(InputError):
        store.attach(saved.run_id, {name: artifact / "model.onnx"})
    with pytest.raises(InputError):
        store.save(make_record(artifact, "other"), {"artifact": artifact, name: artifact / "model.onnx"})
    assert store.by_content_key(digest_of("other")) is None


def test_missing_source_is_refused_and_nothing_is_saved(store: RecordStore, artifact: Path, tmp_path: Path) -> None:
    """A file that does not exist fails the save by its name, and no record appears."""
    with pytest.raises(InputError, match=r"nothing\.parquet"):
        store.save(make_record(artifact), {"artifact": artifact, "predictions.parquet": tmp_path / "nothing.parquet"})
    assert store.by_content_key(digest_of("key")) is None


def test_artifact_must_have_the_digest_of_its_record(store: RecordStore, artifact: Path, tmp_path: Path) -> None:
    """A record whose artifact is another one is not saved; the right one can be saved after."""
    other = make_artifact(tmp_path / "other", "other parameters")
    with pytest.raises(InputError, match="digest"):
        store.save(make_record(artifact), {"artifact": other})
    assert store.by_content_key(digest_of("key")) is None
    with pytest.raises(InputError, match="artifact"):
        store.save(make_record(artifact), {})
    assert store.save(make_record(artifact), {"artifact": artifact}).run_id


def test_artifact_is_returned_verified(store: RecordStore, artifact: Path) -> None:
    """The artifact of a digest is a directory with the same files."""
    saved = store.save(make_record(artifact), {"artifact": artifact})
    kept = store.artifact(saved.artifact)
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == {
        file.name: file.read_bytes() for file in artifact.iterdir()
    }


def test_unknown_artifact_is_refused(store: RecordStore) -> None:
    """A digest that no record has is named in the error."""
    digest = digest_of("nothing")
    with pytest.raises(InputError, match=digest):
        store.artifact(digest)


def test_corrupted_artifact_is_refused_by_name(store: RecordStore, artifact: Path) -> None:
    """After a byte changed, asking for the artifact fails and names the file; every time, also after a success."""
    saved = store.save(make_record(artifact), {"artifact": artifact})
    file = store.artifact(saved.artifact) / "model.onnx"
    file.write_bytes(b"x" + file.read_bytes()[1:])
    for _ in range(2):
        with pytest.raises(InputError, match=r"model\.onnx"):
            store.artifact(saved.artifact)


def test_whole_copy_serves_when_another_is_damaged(store: RecordStore, artifact: Path) -> None:
    """Two records share an artifact: damage to the newer one's copy does not make the digest unavailable."""
    store.save(make_record(artifact, "a"), {"artifact": artifact})
    newer = store.save(make_record(artifact, "b", minutes=1), {"artifact": artifact})
    damaged = store.artifact(newer.artifact)
    (damaged / "model.onnx").unlink()
    assert store.artifact(newer.artifact) != damaged


def test_damaged_artifact_is_repaired_by_saving_or_attaching_it_again(
    store: RecordStore, artifact: Path, tmp_path: Path
) -> None:
    """The same artifact puts a damaged copy right; another one is refused and changes nothing."""
    saved = store.save(make_record(artifact), {"artifact": artifact})
    other = make_artifact(tmp_path / "other", "other parameters")
    path = store.artifact(saved.artifact)
    with pytest.raises(InputError, match="digest"):
        store.attach(saved.run_id, {"artifact": other})
    assert store.artifact(saved.artifact) == path
    (path / "model.onnx").write_text("damaged")
    store.attach(saved.run_id, {"artifact": artifact})
    assert store.artifact(saved.artifact) == path
    (path / "model.onnx").write_text("damaged")
    assert store.save(make_record(artifact), {"artifact": artifact}) == saved
    assert store.artifact(saved.artifact) == path


def test_alias_can_be_set_moved_and_taken_away_twice(store: RecordStore, artifact: Path) -> None:
    """Projecting is safe to repeat, and taking away an alias that is not there is fine."""
    first = store.save(make_record(artifact, "a"), {"artifact": artifact})
    second = store.save(make_record(artifact, "b"), {"artifact": artifact})
    for run_id in (None, first.run_id, first.run_id, second.run_id, None, None):
        store.project_alias("flight_delay", "production", run_id)


def test_alias_to_a_foreign_or_unknown_run_is_refused(store: RecordStore, artifact: Path) -> None:
    """An alias shows a record of its own model, or nothing."""
    saved = store.save(make_record(artifact), {"artifact": artifact})
    with pytest.raises(InputError, match="no complete record"):
        store.project_alias("flight_delay", "production", "f" * 32)
    with pytest.raises(InputError, match="model"):
        store.project_alias("iris", "production", saved.run_id)
