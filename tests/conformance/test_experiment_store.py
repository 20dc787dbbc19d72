"""What every experiment store does: MLflow's and the one in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.experiment import Experiment
from bighead_ci.ports.tracking import ExperimentStore
from bighead_ci.tracking.mlflow_experiments import MlflowExperimentStore
from fakes.experiment_store import MemoryExperimentStore
from fakes.record_samples import make_experiment


@pytest.fixture(params=["memory", "mlflow"])
def store(request: pytest.FixtureRequest, tmp_path: Path, empty_store: Path) -> ExperimentStore:
    return MemoryExperimentStore(tmp_path / "m") if request.param == "memory" else MlflowExperimentStore(empty_store)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "predictions").write_text("rows")
    return tmp_path / "predictions"


def test_an_empty_store_has_no_experiments(store: ExperimentStore) -> None:
    """Looking up never fails."""
    assert store.of_base(digest_of("base")) == []
    assert store.by_content_key(digest_of("key")) is None
    assert store.file("f" * 32, "predictions.parquet") is None


def test_experiments_come_back_as_they_were_by_base_and_by_key(store: ExperimentStore, file: Path) -> None:
    """With their files; those on other bases are not among them."""
    saved = [
        store.save(make_experiment(key, minutes=at, overrides=change), {"predictions.parquet": file})
        for at, (key, change) in enumerate([("as is", {}), ("more", {"trees": 200}), ("odd", {"name": "π, 'x'"})])
    ]
    other = store.save(make_experiment("more", base="other", minutes=9), {"predictions.parquet": file})
    assert store.of_base(digest_of("base")) == saved
    assert store.by_content_key(saved[1].content_key) == other
    assert len({one.run_id for one in saved}) == 3
    kept = store.file(saved[1].run_id, "predictions.parquet")
    assert kept is not None
    assert kept.read_text() == "rows"
    assert store.file(saved[1].run_id, "other") is None


def test_one_that_is_kept_already_stays_what_it_is(store: ExperimentStore, file: Path) -> None:
    """Whatever the second one says."""
    first = store.save(make_experiment("a"), {"predictions.parquet": file})
    assert store.save(make_experiment("a", minutes=5), {"predictions.parquet": file}) == first
    assert store.of_base(first.base) == [first]


def test_experiments_that_are_saved_at_once_are_all_kept(store: ExperimentStore, file: Path) -> None:
    """Each once."""
    start = Barrier(3)

    def save(names: str) -> list[Experiment]:
        start.wait()
        return [store.save(make_experiment(name), {"predictions.parquet": file}) for name in names]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(save, ["abc", "bcd", "cde"]))
    found = store.of_base(digest_of("base"))
    assert sorted(one.content_key for one in found) == sorted(map(digest_of, "abcde"))
