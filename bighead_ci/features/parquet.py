"""One literal Parquet file as it is. Stages read with it in a version's own environment, which has little installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_file(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A file, or some of its columns; `pyarrow.parquet.read_table` would take folders called `a=b` for columns."""
    with path.open("rb") as file:
        return pq.ParquetFile(file).read(columns if columns is None else list(columns))


def schema_of(path: Path) -> pa.Schema:
    """The columns of a file."""
    with path.open("rb") as file:
        return pq.read_schema(file)
