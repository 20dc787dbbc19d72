"""The online store that machines share: Redis, or what speaks its protocol.

A table is a hash, `bighead:table:<name>`; the set `bighead:tables` has the names of all. A call reads in one
transaction, so from one snapshot. A table is replaced by one that was filled beside it, by renaming in one transaction.
The writer holds `bighead:writer`, and each of its transactions checks that it still does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
    ResponseError,
    WatchError,
)
from redis.retry import Retry

from bighead_ci.errors import InputError, RetryError
from bighead_ci.stores.online_keys import checked_rows, is_key

PASSWORD = "BIGHEAD_REDIS_PASSWORD"  # noqa: S105 - the name of the variable
LEASE_SECONDS = 60
"""After which a writer that was killed no longer keeps others out."""
PARTIAL_SECONDS = 3600
"""After which what such a writer left of a table is gone."""
CONNECT_SECONDS, READ_SECONDS, WRITE_SECONDS = 0.5, 0.5, 30.0
PAUSE_SECONDS = 0.5
"""How long after it did not answer a server is not asked again: whoever asks has its answer at once."""
CHUNK = 1000
"""Rows that are sent at once."""
_TABLES, _WRITER, _TABLE, _PARTIAL = "bighead:tables", "bighead:writer", "bighead:table:", "bighead:partial:"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisOnlineStore:
    """`OnlineStore` in a Redis server, by one database of it.

    A server that does not answer costs one caller half a second, and the others nothing until it is asked again.

    Args:
        url: `redis://host:port/database`, without a password; `rediss` for TLS.
        password: None: the server asks for none.
        readonly: open for reading, beside a writer or without one.
        patience_seconds: how long a writer waits for another one.

    Raises:
        RetryError: another writer holds the store, or a writer cannot reach it.
        InputError: a writer is refused for its password.
    """

    def __init__(
        self, url: str, password: str | None, *, readonly: bool = False, patience_seconds: float = 0.0
    ) -> None:
        self._url = url
        self._readonly = readonly
        self._token = uuid4().hex
        self._ask_again = 0.0
        self._client: Any = redis.Redis.from_url(
            url,
            password=password,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=READ_SECONDS if readonly else WRITE_SECONDS,
            # Once: a connection that was kept may have ended since, and a new one does.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        if not readonly:
            self._take_turn(patience_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def put_many(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Write rows in one transaction and return how many."""
        found = dict(checked_rows(rows))
        if found:
            with self._writing() as transaction:
                self._fill(transaction, f"{_TABLE}{table}", found.items())
                transaction.sadd(_TABLES, table)
        return len(found)

    def replace(self, table: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Make the table hold exactly these rows, at once for every reader; they are sent as they are made."""
        self._check_writable()
        partial, name = f"{_PARTIAL}{uuid4().hex}", f"{_TABLE}{table}"
        try:
            count = self._send(partial, rows)
            with self._writing() as transaction:
                transaction.unlink(name)
                if count:
                    transaction.rename(partial, name)
                    transaction.persist(name)
                    transaction.sadd(_TABLES, table)
                else:
                    transaction.srem(_TABLES, table)
        except BaseException:
            with suppress(RedisError):
                self._client.unlink(partial)
            raise
        return count

    def get_many(self, keys: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """Values by (table, key), in the order asked, from one snapshot."""
        wanted: dict[str, list[bytes]] = {}
        for table, key in keys:
            if is_key(key):
                wanted.setdefault(table, []).append(key)
        if not wanted:
            return [None] * len(keys)
        with self._answering("read"):
            transaction = self._client.pipeline(transaction=len(wanted) > 1)
            for table, asked in wanted.items():
                transaction.hmget(f"{_TABLE}{table}", asked)
            answers = dict(zip(wanted, map(iter, transaction.execute()), strict=True))
        return [next(answers[table]) if is_key(key) else None for table, key in keys]

    def tables(self) -> list[str]:
        """Names of the tables that hold rows, sorted."""
        with self._answering("read"):
            return sorted(name.decode() for name in self._client.smembers(_TABLES))

    def close(self) -> None:
        """Release the store; where it cannot be reached, it is free after a while."""
        if not self._readonly:
            with suppress(RedisError):
                self._client.eval(_RELEASE, 1, _WRITER, self._token)
        self._client.close()

    def _send(self, partial: str, rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Fill a table that nobody reads; return the number of its keys."""
        source = checked_rows(rows)
        while chunk := list(islice(source, CHUNK)):
            with self._writing() as transaction:
                self._fill(transaction, partial, chunk)
                transaction.expire(partial, PARTIAL_SECONDS)
        with self._answering("written"):
            return int(self._client.hlen(partial))

    @staticmethod
    def _fill(transaction: Any, name: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        transaction.hset(name, items=[part for row in rows for part in row])

    def _check_writable(self) -> None:
        if self._readonly:
            raise InputError(f"the online store {self._url} was opened for reading")

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """A transaction that comes to pass if this is still the writer."""
        self._check_writable()
        taken_over = RetryError(f"another process took over writing to the online store {self._url}; try again")
        with self._answering("written"), self._client.pipeline(transaction=True) as transaction:
            # Where nobody has taken over since the lease ended, it is this writer's again.
            self._client.set(_WRITER, self._token, nx=True, ex=LEASE_SECONDS)
            transaction.watch(_WRITER)
            if transaction.get(_WRITER) != self._token.encode():
                raise taken_over
            transaction.multi()
            yield transaction
            transaction.expire(_WRITER, LEASE_SECONDS)
            try:
                transaction.execute()
            except WatchError as error:
                raise taken_over from error

    def _take_turn(self, patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        with self._answering("written"):
            while not self._client.set(_WRITER, self._token, nx=True, ex=LEASE_SECONDS):
                if time.monotonic() >= deadline:
                    raise RetryError(
                        f"another process is writing to the online store {self._url}; try again when it is done"
                    )
                time.sleep(0.05)

    @contextmanager
    def _answering(self, done: str) -> Iterator[None]:
        where = f"the online store {self._url}"
        if time.monotonic() < self._ask_again:
            raise RetryError(f"{where} did not answer just now")
        try:
            yield
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise InputError(f"{where} refuses us: {error}; the password is {PASSWORD} of the environment") from error
        except ResponseError as error:
            if "NOAUTH" in str(error) or "WRONGPASS" in str(error):
                raise InputError(f"{where} asks for a password: {PASSWORD} of the environment") from error
            raise RetryError(f"{where} cannot be {done}: {error}") from error
        except (RedisError, OSError) as error:
            if self._readonly:
                self._ask_again = time.monotonic() + PAUSE_SECONDS
            raise RetryError(f"{where} cannot be {done}: {error}") from error
