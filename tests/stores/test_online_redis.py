"""What is particular to Redis: passwords, a server that is gone or hangs, two writers, readers while tables change."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bighead_ci.errors import InputError, RetryError
from bighead_ci.stores import online_redis
from bighead_ci.stores.online_redis import RedisOnlineStore
from fakes.redis_server import RedisServer
from fakes.serving import FakeFeatures, FeatureValues
from fakes.serving_bench import Bench

SECRET = "a-password-of-the-test"  # noqa: S105 - it is none


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path)
    yield started
    started.stop()


def test_readers_see_the_old_rows_or_the_new_of_all_tables_asked(server: RedisServer) -> None:
    """Whatever is written meanwhile: a call reads one snapshot, and a table is replaced at once."""
    keys = [f"k{number}".encode() for number in range(2500)]
    with RedisOnlineStore(server.url, None) as writer:
        writer.replace("t", [(key, b"0") for key in keys])
        reader = RedisOnlineStore(server.url, None, readonly=True)
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                writer.replace("t", [(key, str(number).encode()) for key in keys])

        thread = threading.Thread(target=write)
        thread.start()
        try:
            seen = [set(reader.get_many([("t", key) for key in keys[::100]])) for _ in range(200)]
        finally:
            stop.set()
            thread.join()
    assert all(len(values) == 1 and None not in values for values in seen)


def test_a_second_writer_is_told_to_try_later(server: RedisServer) -> None:
    """Only one may hold the store; when it closes, the next may."""
    first = RedisOnlineStore(server.url, None)
    with pytest.raises(RetryError, match="another process is writing"):
        RedisOnlineStore(server.url, None)
    first.close()
    RedisOnlineStore(server.url, None).close()


def test_a_writer_that_slept_past_its_lease_writes_nothing_over_its_successor(server: RedisServer) -> None:
    """Nor does what it had begun remain; where nobody succeeded it, it goes on."""
    first = RedisOnlineStore(server.url, None)
    server.client().delete("bighead:writer")  # as if the lease had ended
    first.put_many("t", [(b"a", b"1")])
    server.client().delete("bighead:writer")
    second = RedisOnlineStore(server.url, None)
    second.put_many("t", [(b"a", b"2")])
    with pytest.raises(RetryError, match="took over"):
        first.replace("t", [(b"a", b"3")])
    assert second.get_many([("t", b"a")]) == [b"2"]
    assert server.client().keys("bighead:partial:*") == []
    first.close()
    second.put_many("t", [(b"a", b"4")])  # the first let go of nothing that is not its own


def test_what_a_killed_writer_left_of_a_table_ends_by_itself(server: RedisServer) -> None:
    """Nobody reads it meanwhile."""
    store = RedisOnlineStore(server.url, None)

    def rows() -> Iterator[tuple[bytes, bytes]]:
        yield from ((f"k{number}".encode(), b"1") for number in range(online_redis.CHUNK + 1))
        (partial,) = server.client().keys("bighead:partial:*")
        assert 0 < server.client().ttl(partial) <= online_redis.PARTIAL_SECONDS
        assert store.tables() == []

    assert store.replace("t", rows()) == online_redis.CHUNK + 1
    assert server.client().ttl("bighead:table:t") == -1


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_server_that_refuses_us_says_which_variable_to_set(tmp_path: Path, password: str | None) -> None:
    """And no message has a password."""
    server = RedisServer(tmp_path, SECRET)
    try:
        RedisOnlineStore(server.url, SECRET).close()
        for readonly in (True, False):
            with pytest.raises(InputError, match="BIGHEAD_REDIS_PASSWORD") as raised:
                RedisOnlineStore(server.url, password, readonly=readonly).tables()
            assert SECRET not in str(raised.value)
            assert "wrong" not in str(raised.value)
    finally:
        server.stop()


def test_a_reader_outlives_its_server(server: RedisServer) -> None:
    """Calls fail at once while it is gone, and answer when it is back, over connections that are new."""
    with RedisOnlineStore(server.url, None) as writer:
        writer.put_many("t", [(b"a", b"1")])
    reader = RedisOnlineStore(server.url, None, readonly=True)
    assert reader.get_many([("t", b"a")]) == [b"1"]
    server.stop()
    for _ in range(100):
        with pytest.raises(RetryError):
            reader.get_many([("t", b"a")])
    server.start()
    with RedisOnlineStore(server.url, None) as writer:
        writer.put_many("t", [(b"a", b"2")])
    assert answered(reader) == [b"2"]


def test_a_server_that_hangs_costs_one_caller_of_many_its_patience(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are told at once, until it is asked again."""
    monkeypatch.setattr(online_redis, "PAUSE_SECONDS", 3600.0)
    reader = RedisOnlineStore(server.url, None, readonly=True)
    assert reader.get_many([("t", b"a")]) == [None]
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(RetryError, match="cannot be read"):
            reader.get_many([("t", b"a")])
        for _ in range(1000):
            with pytest.raises(RetryError, match="did not answer just now"):
                reader.get_many([("t", b"a")])
    finally:
        server.process.send_signal(signal.SIGCONT)
    reader._ask_again = 0.0
    assert reader.get_many([("t", b"a")]) == [None]


def test_a_full_server_is_tried_again_later(server: RedisServer) -> None:
    """What was there stays."""
    with RedisOnlineStore(server.url, None) as store:
        store.put_many("t", [(b"a", b"1")])
        server.client().config_set("maxmemory", "1mb")
        with pytest.raises(RetryError, match="cannot be written"):
            store.replace("t", [(f"k{number}".encode(), b"x" * 1000) for number in range(3000)])
        server.client().config_set("maxmemory", "0")
        assert store.get_many([("t", b"a")]) == [b"1"]


class ReadsFirst(FakeFeatures):
    """Features that a store must answer for."""

    def __init__(self, store: RedisOnlineStore) -> None:
        super().__init__()
        self.store = store

    def fetch(self, keys: Mapping[str, Mapping[str, Any]], as_of_us: int) -> FeatureValues:
        """As those of the double, once the store has answered."""
        self.store.get_many([("t", b"a")])
        return super().fetch(keys, as_of_us)


def test_callers_are_told_to_come_again_while_the_server_is_gone(server: RedisServer, tmp_path: Path) -> None:
    """503 with a pause, never a wait for it; probes are answered, and so are callers when it is back."""
    store = RedisOnlineStore(server.url, None, readonly=True)
    bench = Bench(tmp_path, features=ReadsFirst(store))
    row = {"carrier": "UA", "distance": 1.0}
    assert bench.predict(row).status_code == 200
    server.stop()
    for _ in range(20):
        answer = bench.predict(row)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert bench.send(("GET", "/readyz", b""))[0].status_code == 200
    server.start()
    answered(store)
    assert bench.predict(row).status_code == 200


def answered(reader: RedisOnlineStore) -> list[bytes | None]:
    for _ in range(200):
        try:
            return reader.get_many([("t", b"a")])
        except RetryError:
            threading.Event().wait(0.05)
    pytest.fail("it never answered again")
