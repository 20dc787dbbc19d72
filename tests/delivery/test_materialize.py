"""Reading the online store by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.materialize import fetch, materialize
from bighead_ci.delivery.online_sets import stale_sets, stored_sets
from bighead_ci.delivery.stages.source_data import digest_of_file
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
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
        main=lambda: SimpleNamespace(tree=DirectoryTree(tmp_path), commit="c"),
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


@pytest.fixture
def two_sets(context: Any, tmp_path: Path) -> Any:
    """The tree of `context` with a second source and set, whose data nothing has materialised."""
    for path, text in {
        "sources/others.yaml": SOURCE.replace("events.", "others."),
        "single/v1/feature_set.yaml": SINGLE,
    }.items():
        (tmp_path / "features" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "features" / path).write_text(text)
    for name in ("events", "others"):
        (tmp_path / "features/sources" / f"{name}.parquet").write_bytes((tmp_path / "events.parquet").read_bytes())
    lock(tmp_path, events=digest_of_file(tmp_path / "events.parquet"), others="d1")

    def sources(_commit: str, _progress: Any, needed: list[str]) -> Path:
        if needed == ["features/sources/others.parquet"]:
            raise InputError("the data is not there")
        return tmp_path

    context.orchestrator = SimpleNamespace(sources=sources)
    context.offline_store = DuckDBOfflineStore()
    return context


SINGLE = SET.replace("source: events", "source: others")


def lock(directory: Path, **digests: str | None) -> None:
    """A dvc.lock that names the sources' data."""
    stages = "".join(
        f"  {name}: {{outs: [{{path: features/sources/{name}.parquet, md5: '{digest}'}}]}}\n"
        for name, digest in digests.items()
    )
    (directory / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n{stages}")


def stale(context: Any) -> dict[str, str]:
    return {one.set: one.words for one in stale_sets(context, context.main())}


def test_status_names_stale_sets_with_their_data(two_sets: Any, tmp_path: Path) -> None:
    """A set is stale from the merge of other data, or of another definition, until it is materialised."""
    assert stale(two_sets) == {"single/v1": "not materialised yet: online nothing, main data d1"}
    right = digest_of_file(tmp_path / "events.parquet")
    lock(tmp_path, events="d0d1d2d3d4d5", others="d1")
    assert stale(two_sets)["pairs/v1"] == (
        f"of other data: online data {str(right)[:10]} up to 2013-10-01 00:00:00, main data d0d1d2d3d4"
    )
    lock(tmp_path, events=right, others="d1")
    assert "pairs/v1" not in stale(two_sets)
    file = tmp_path / "features/pairs/v1/feature_set.yaml"
    file.write_text(SET.replace("1h", "2h"))
    assert stale(two_sets)["pairs/v1"].startswith("of another definition")
    assert materialize(two_sets, ["pairs/v1"], silent).keys == {"pairs/v1": 1}
    assert "pairs/v1" not in stale(two_sets)


def test_a_set_that_fails_holds_up_no_other(two_sets: Any, tmp_path: Path) -> None:
    """Data of one source cannot be had: the sets of other sources are materialised, and the failure names its own."""
    (tmp_path / "features/pairs/v1/feature_set.yaml").write_text(SET.replace("1h", "2h"))
    done = materialize(two_sets, None, silent)
    assert (done.keys, [failure.about for failure in done.failures]) == ({"pairs/v1": 1}, ["single/v1"])
    assert "the data is not there" in done.failures[0].message
    assert {*stale(two_sets)} == {"single/v1"}


def test_the_newest_event_that_was_known_is_kept(context: Any) -> None:
    """How old what callers get is can be told from the store alone."""
    stored = stored_sets(context, ["pairs/v1"])["pairs/v1"]
    assert stored.newest == int(MOMENT.timestamp()) * 1_000_000 - 1


def test_a_set_of_which_no_feature_reaches_a_row_is_warned_about(two_sets: Any) -> None:
    """Its newest row, the moment, and how many features find any; at a moment among the rows there is no warning."""
    assert materialize(two_sets, ["pairs/v1"], silent).warnings == []
    two_sets.data_clock = FixedClock(datetime(2026, 1, 10, tzinfo=UTC))
    said: list[str] = []
    (warning,) = materialize(two_sets, ["pairs/v1"], said.append).warnings
    assert warning == (
        "pairs/v1: the newest row is of 2013-09-30 23:59 UTC; at 2026-01-10 00:00 UTC, the moment of this workspace, "
        "0 of 1 features find any"
    )
    assert f"warning: {warning}" in said
