"""Memory that the offline store may use, and what it says where that is not enough."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.definition import Aggregation
from bighead_ci.errors import InputError
from bighead_ci.stores.limits import Limits, event_bytes, limits_of
from bighead_ci.stores.offline import DuckDBOfflineStore
from fakes import hourly_events
from fakes.online_store import FakeOnlineStore
from oracles.events import SOURCE, feature_set, write_events

SET = feature_set(Aggregation(column="n", operations=["sum"], windows=["12h"]))
AT = 1_380_585_600_000_000
MOMENT = datetime.fromtimestamp(AT // 1_000_000 + 100, UTC)


@pytest.mark.parametrize(("text", "memory"), [("8GB", 8_000_000_000), ("512MB", 512_000_000), ("", 4_000_000_000)])
def test_the_environment_says_how_much_memory_there_is(text: str, memory: int) -> None:
    """Without the variable it is 4 GB."""
    assert limits_of({"BIGHEAD_MEMORY": text}).memory == memory
    assert limits_of({}).memory == 4_000_000_000


@pytest.mark.parametrize("text", ["8", "8 GB", "0GB", "-1GB", "8TB", "much"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(InputError, match="as 8GB"):
        limits_of({"BIGHEAD_MEMORY": text})


def test_fewer_events_are_read_at_once_where_there_is_less_memory() -> None:
    """The kernel's share bounds them as DuckDB's share bounds its sorts."""
    assert Limits(memory=4_000_000_000).events_at_once(1) == 4_000_000
    assert Limits(memory=100_000_000).events_at_once(1) == 25_000_000 // event_bytes(1)
    assert Limits(memory=100_000_000).events_at_once(9) < Limits(memory=100_000_000).events_at_once(1)
    assert Limits(memory=100_000_000).of_database == 50_000_000


def events(path: Path, of_key: dict[str, int]) -> dict[str, Any]:
    rows = [
        {"id": f"{key}{number}", "at": AT + number, "known": AT + number, "k": key, "n": 1, "x": 0.0, "s": None}
        for key, count in of_key.items()
        for number in range(count)
    ]
    numbered = [row | {"id": number} for number, row in enumerate(rows)]
    return {"events": (SOURCE, write_events(path / "events.parquet", numbered))}


def test_a_key_that_does_not_fit_is_named_with_what_to_do(tmp_path: Path) -> None:
    """And with the limit that the message asks for, it does fit."""
    sources = events(tmp_path, {"AA": 10, "UA": 900_000, "ZZ": 10})
    moments = [AT + 10_000_000]
    tight = DuckDBOfflineStore(Limits(memory=400_000_000))
    with pytest.raises(InputError, match=r"events/v1: the key UA has [\d,]+ events .*BIGHEAD_MEMORY=") as raised:
        tight.features_at(SET, sources, {"k": ["UA"]}, moments)
    with pytest.raises(InputError, match="the key UA"):
        tight.materialize([SET], sources, MOMENT, FakeOnlineStore())
    asked = str(raised.value).split("BIGHEAD_MEMORY=")[1].split(" ")[0]
    enough = DuckDBOfflineStore(Limits(memory=2 * limits_of({"BIGHEAD_MEMORY": asked}).memory))
    assert enough.features_at(SET, sources, {"k": ["UA"]}, moments) == {"events.n_sum_12h": [900_000]}


def test_many_small_keys_fit_where_one_large_one_does_not(tmp_path: Path) -> None:
    """Keys come in groups: as many events as above, and the same limit, are no trouble."""
    keys = {f"K{number:03}": 2_250 for number in range(400)}
    sources = events(tmp_path, keys)
    found = DuckDBOfflineStore(Limits(memory=400_000_000)).features_at(
        SET, sources, {"k": list(keys)}, [AT + 10_000_000] * len(keys)
    )
    assert set(found["events.n_sum_12h"]) == {2_250}


def test_results_that_do_not_fit_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    """The number of rows and features says so beforehand."""
    sources = events(tmp_path, {"UA": 1})
    with pytest.raises(InputError, match=r"1 features of 100,000 rows take 2\.7 MB .*BIGHEAD_MEMORY=11MB"):
        DuckDBOfflineStore(Limits(memory=8_000_000)).features_at(SET, sources, {"k": ["UA"] * 100_000}, [AT] * 100_000)


def test_a_training_set_that_does_not_fit_is_refused_while_its_rows_come_in(tmp_path: Path) -> None:
    """The rows of the spine count as well as the features of all sets together."""
    sources = hourly_events.write_sources(tmp_path)
    rows = 800_000
    spine = pq.read_table(sources["spine"][1]).slice(2, 1)
    many = pa.table({name: pa.repeat(spine[name][0], rows) for name in spine.column_names})
    pq.write_table(many.set_column(0, "id", pa.array(range(rows), pa.int64())), sources["spine"][1])
    tight = DuckDBOfflineStore(Limits(memory=200_000_000))
    told = (
        r"m/v1: 2 features of [\d,]+ rows take [\d.]+ MB in memory; the limit for all is 200 MB\. Set BIGHEAD_MEMORY="
    )
    with pytest.raises(InputError, match=told):
        hourly_events.training_set(
            tight, hourly_events.model(), [hourly_events.SET], sources, tmp_path / "training.parquet"
        )
    assert not (tmp_path / "training.parquet").exists()
