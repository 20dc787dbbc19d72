"""What stores of MLflow start from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bighead_ci.tracking.mlflow_writer import MlflowWriter


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables take a second to make; tests start from a copy."""
    directory = tmp_path_factory.mktemp("empty")
    MlflowWriter(directory / "mlflow.db", directory / "artifacts")
    return directory / "mlflow.db"


@pytest.fixture
def empty_store(empty_database: Path, tmp_path: Path) -> Path:
    """A directory with nothing but tables."""
    directory = tmp_path / "records of a team"
    directory.mkdir()
    shutil.copyfile(empty_database, directory / "mlflow.db")
    return directory
