"""Reading the online store by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.materialize import fetch
from bighead_ci.errors import InputError
from bighead_ci.stores.offline import DuckDBOfflineStore
from fakes.clock import FixedClock
from fakes.online_store import FakeOnlineStore
from oracles.events import write_events

MOMENT = datetime(2013, 10, 1, tzinfo=UTC)
SOURCE = """\
owner: tests
path: events.parquet
timestamp: at
event_id: id
columns: {id: int64, at: timestamp, k: string, n: int64}
"""
SET = """\
owner: tests
source: events
key: [n, k]
aggregations: [{column: id, operations: [last], windows: [1h]}]
"""


@pytest.fixture
def context(tmp_path: Path) -> Any:
    """A tree with one set by number and text, materialised."""
    for path, text in {"sources/events.yaml": SOURCE, "pairs/v1/feature_set.yaml": SET}.items():
        (tmp_path / "features" / path).parent.mkdir(parents=True)
        (tmp_path / "features" / path).write_text(text)
    at = int(MOMENT.timestamp()) * 1_000_000 - 1
    data = write_events(
        tmp_path / "events.parquet", [{"id": 5, "at": at, "known": at, "k": "UA", "n": 7, "x": 0.0, "s": None}]
    )
    tree, online = DirectoryTree(tmp_path), FakeOnlineStore()
    loaded = load_feature_set(tree, "pairs", "v1")
    DuckDBOfflineStore().materialize([loaded], {"events": (loaded.source, data)}, MOMENT, online)
    return SimpleNamespace(
        main=lambda: SimpleNamespace(tree=tree),
        data_clock=FixedClock(MOMENT),
        open_online_store=lambda **_: online,
    )


def test_a_key_of_whole_numbers_can_be_typed(context: Any) -> None:
    """A command line has only text: it is read as the key column's type."""
    assert fetch(context, "pairs/v1", ["7", "UA"]) == {"pairs.id_last_1h": 5}
    assert fetch(context, "pairs/v1", ["8", "UA"]) == {"pairs.id_last_1h": None}


def test_a_key_that_is_no_whole_number_is_refused(context: Any) -> None:
    """The column and what was typed are named."""
    with pytest.raises(InputError, match="key n must be a whole number, got 'UA'"):
        fetch(context, "pairs/v1", ["UA", "7"])
