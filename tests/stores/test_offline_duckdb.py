"""What is particular to the offline store on DuckDB: memory, damaged files, infinite times, all problems at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.definition import Aggregation
from bighead_ci.errors import InputError
from bighead_ci.stores.limits import Limits
from bighead_ci.stores.offline import DuckDBOfflineStore
from fakes.hourly_events import SET, SPINE, microseconds, model, training_set, write_sources
from oracles.events import SOURCE, feature_set, write_events


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    return write_sources(tmp_path)


def test_a_damaged_data_page_is_the_sources_fault(tmp_path: Path) -> None:
    """The footer is whole, a page is not: the file is named, and it is no fault of the engine."""
    events = [
        {"id": number, "at": microseconds(0), "known": microseconds(0), "k": "UA", "n": number, "x": 0.5, "s": "a"}
        for number in range(5000)
    ]
    path = write_events(tmp_path / "events.parquet", events)
    data = bytearray(path.read_bytes())
    data[100:140] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read: .*events\.parquet"):
        DuckDBOfflineStore().features_at(SET, {"events": (SOURCE, path)}, {"k": ["UA"]}, [microseconds(1)])


def test_every_problem_of_the_sources_is_told_at_once(sources: dict[str, Any], tmp_path: Path) -> None:
    """A missing file, a misspelt column and a wrong type are all named, with what is there and what is closest."""
    definition = SPINE.model_copy(update={"columns": {**SPINE.columns, "d": "string", "plaice": "string"}})
    broken = {"events": (SOURCE, tmp_path / "event.parquet"), "spine": (definition, sources["spine"][1])}
    asking = model(slices=["plaice"])
    with pytest.raises(InputError) as raised:
        training_set(DuckDBOfflineStore(), asking, [SET], broken, tmp_path / "ts.parquet")
    problems = {(problem.subject, problem.suggestion) for problem in raised.value.problems}
    assert problems == {("path", "events.parquet"), ("columns.plaice", "place"), ("columns.d", None)}
    assert not (tmp_path / "ts.parquet").exists()


def test_the_same_input_gives_the_same_bytes_whatever_the_chunks(sources: dict[str, Any], tmp_path: Path) -> None:
    """Neither a second run nor another chunk size, thread count or row order of the files changes the file's digest."""
    digests = set()
    for number, limits in enumerate([Limits(), Limits(), Limits(most_events=1, threads=1), Limits(memory=128_000_000)]):
        if number == 1:
            for _, path in sources.values():
                rows = pq.read_table(path)
                pq.write_table(rows.take(list(reversed(range(rows.num_rows)))), path)
        training_set(DuckDBOfflineStore(limits), model(), [SET], sources, tmp_path / "ts.parquet")
        digests.add(hashlib.sha256((tmp_path / "ts.parquet").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_values_that_int64_cannot_hold_are_null_and_counted(tmp_path: Path) -> None:
    """Of a whole training set some windows' sums are too large: those are null, and the summary says how many."""
    sources = write_sources(tmp_path)
    path = sources["events"][1]
    rows = pq.read_table(path)
    pq.write_table(rows.set_column(rows.schema.get_field_index("n"), "n", pa.array([2**62] * 10, pa.int64())), path)
    the_set = feature_set(Aggregation(column="n", operations=["sum", "count"], windows=["12h"]))
    summary = training_set(DuckDBOfflineStore(), model(), [the_set], sources, tmp_path / "ts.parquet")
    found = pq.read_table(tmp_path / "ts.parquet")
    assert [value is None for value in found["events.n_sum_12h"].to_pylist()] == [
        (count or 0) > 1 or (count == 0) for count in found["events.n_count_12h"].to_pylist()
    ]
    many = sum(count > 1 for count in found["events.n_count_12h"].to_pylist())
    assert many > 0
    assert summary.beyond == {"events.n_sum_12h": many}
