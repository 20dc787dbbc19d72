"""What every online store does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bighead_ci.errors import InputError
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.stores.online_lmdb import LmdbOnlineStore
from bighead_ci.stores.online_redis import RedisOnlineStore
from fakes.online_store import FakeOnlineStore
from fakes.redis_server import RedisServer


def redis_store(_: Path, server: RedisServer) -> OnlineStore:
    """In a server that has nothing."""
    server.client().flushall()
    return RedisOnlineStore(server.url, None)


MAKERS: dict[str, Callable[[Path, RedisServer], OnlineStore]] = {
    "fake": lambda _, __: FakeOnlineStore(),
    "lmdb": lambda path, _: LmdbOnlineStore(path / "store"),
    "lmdb_tiny_map": lambda path, _: LmdbOnlineStore(path / "store", map_bytes=64 << 10),
    "redis": redis_store,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path, server: RedisServer) -> Iterator[OnlineStore]:
    made = MAKERS[request.param](tmp_path, server)
    yield made
    made.close()


def test_what_was_put_is_read_in_the_order_of_the_keys(store: OnlineStore) -> None:
    """Values come in the order asked, None where there is none, repeats included."""
    assert store.put_many("t", [(b"a", b"1"), (b"b", b"")]) == 2
    assert store.get_many([("t", b"b"), ("t", b"missing"), ("t", b"a"), ("t", b"b")]) == [b"", None, b"1", b""]


def test_a_later_put_wins_and_leaves_other_keys(store: OnlineStore) -> None:
    """Putting again overwrites only the keys given."""
    store.put_many("t", [(b"a", b"1"), (b"b", b"2")])
    store.put_many("t", [(b"a", b"3")])
    assert store.get_many([("t", b"a"), ("t", b"b")]) == [b"3", b"2"]


def test_replace_leaves_exactly_the_new_rows(store: OnlineStore) -> None:
    """Keys that are not among the new rows are gone."""
    store.put_many("t", [(b"a", b"1"), (b"b", b"2")])
    assert store.replace("t", iter([(b"b", b"9")])) == 1
    assert store.get_many([("t", b"a"), ("t", b"b")]) == [None, b"9"]


def test_tables_do_not_share_keys(store: OnlineStore) -> None:
    """The same key in two tables holds two values; tables are listed sorted."""
    store.put_many("u", [(b"a", b"2")])
    store.put_many("t", [(b"a", b"1")])
    assert store.get_many([("u", b"a")]) == [b"2"]
    assert store.tables() == ["t", "u"]


def test_several_tables_are_read_in_one_call(store: OnlineStore) -> None:
    """A request reads all its feature sets at once, tables that do not exist among them."""
    store.put_many("u", [(b"a", b"2"), (b"b", b"3")])
    store.put_many("t", [(b"a", b"1")])
    asked = [("u", b"b"), ("never", b"a"), ("t", b"a"), ("t", b"b"), ("u", b"a")]
    assert store.get_many(asked) == [b"3", None, b"1", None, b"2"]
    assert store.get_many([]) == []


def test_a_table_without_rows_is_no_table(store: OnlineStore) -> None:
    """Replacing by nothing removes the table; it can come back."""
    store.put_many("t", [(b"a", b"1")])
    assert store.replace("t", []) == 0
    assert store.put_many("never", []) == 0
    assert store.tables() == []
    assert store.get_many([("t", b"a")]) == [None]
    store.put_many("t", [(b"a", b"2")])
    assert store.get_many([("t", b"a")]) == [b"2"]


def test_rows_that_fail_half_way_change_nothing(store: OnlineStore) -> None:
    """An error while rows are produced leaves the table as it was."""
    store.put_many("t", [(b"a", b"1")])

    def rows() -> Iterator[tuple[bytes, bytes]]:
        yield b"a", b"2"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.replace("t", rows())
    assert store.get_many([("t", b"a")]) == [b"1"]


@pytest.mark.parametrize("key", [b"", b"k" * 512])
def test_a_key_that_no_store_can_hold_is_refused(store: OnlineStore, key: bytes) -> None:
    """Keys have 1 to 511 bytes; a refused write changes nothing."""
    with pytest.raises(InputError, match="1 to 511 bytes"):
        store.put_many("t", [(b"a", b"1"), (key, b"2")])
    assert store.tables() == []


def test_many_large_rows_fit(store: OnlineStore) -> None:
    """A store grows with what is written."""
    rows = [(f"key{number}".encode(), bytes([number % 251]) * 10_000) for number in range(300)]
    assert store.replace("t", rows) == 300
    assert store.get_many([("t", key) for key, _ in rows]) == [value for _, value in rows]
