"""Feature values for one key, now: what serving calls on every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from bighead_ci.documents.definition import FeatureSchema
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features.columns import ColumnPlan
from bighead_ci.features.kernel import tiles
from bighead_ci.features.kernel.arrays import EMPTY, I64, U8, U32, VALUE
from bighead_ci.features.kernel.states import MOST_WORDS
from bighead_ci.features.materialized import (
    SETS,
    StoredSet,
    is_whole,
    key_bytes,
    set_plans,
    stamp_bytes,
    stored_set,
)
from bighead_ci.features.meaning import Feature, meaning_digest
from bighead_ci.features.naming import full_name
from bighead_ci.features.states import text_at
from bighead_ci.ports.online_store import OnlineStore

FeatureValue = int | float | str | None
_RowKeys = Mapping[str, Mapping[str, Any]]
"""Set → its key columns' values."""
_ATTEMPTS = 8


@dataclass(frozen=True)
class _Asked:
    """Features of one column, as the kernel is asked for them."""

    plan: ColumnPlan
    features: tuple[Feature, ...]
    operations: U8
    windows: I64

    @classmethod
    def of(cls, plan: ColumnPlan, names: frozenset[str]) -> _Asked:
        features = tuple(feature for feature in plan.features if feature.name in names)
        return cls(plan, features, *plan.slots(features))


@dataclass(frozen=True)
class _LoadedSet:
    """One publication of a set, ready to read."""

    row: bytes
    stored: StoredSet
    stamp: bytes
    asked: tuple[_Asked, ...]
    names: dict[str, str]
    """Feature → its full name, of what is wanted and in that order."""
    empty: bytes
    """The row of a key without events."""


class FeatureReader:
    """Reads features of published sets; safe to use while another process publishes.

    Args:
        store: opened for reading.
    """

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._loaded: dict[str, _LoadedSet] = {}
        self._wanted: dict[str, FeatureSchema] = {}

    def open(self, schema: FeatureSchema) -> None:
        """Make sure that the store holds what the schema expects, and compile what `fetch` needs.

        Raises:
            InputError: the set was never published, means something else, or lacks a column.
        """
        loaded = self._current(schema.set)
        loaded = self._loaded[schema.set] = _load_set(loaded.row, loaded.stored, schema)
        self._wanted[schema.set] = schema
        self._values(loaded, None, loaded.stored.until)

    def until(self, set_id: str) -> int:
        """The moment (UTC microseconds) up to which the published set knows events."""
        return self._current(set_id).stored.until

    def known_until(self) -> dict[str, int]:
        """Set → the moment (UTC microseconds) up to which what `fetch` read last knows events."""
        return {set_id: self._loaded[set_id].stored.until for set_id in self._wanted}

    def fetch(self, keys: _RowKeys, as_of_us: int) -> dict[str, FeatureValue]:
        """Features at a moment, equal to the offline computation over events known before each set's `until`.

        One call to the store, whatever the number of sets, unless one was published anew since the last.

        Args:
            keys: set (`carrier_delays/v1`) → its key columns' values; a None matches nothing.
            as_of_us: query time in UTC microseconds, not before any publication's `until`.

        Returns:
            Values by full name, of the columns of the opened schemas (of all, where none was opened). A key that the
            store does not know has counts of 0 and nulls or defaults otherwise; a result that its type cannot hold is
            null.

        Raises:
            InputError: a set is not there, a key is missing or of the wrong type, or the moment is too early.
            RetryError: a set was republished again and again while it was read, or what is stored is damaged.
        """
        rows = self.fetch_many([keys], as_of_us)
        rows.read(1)
        return next(rows)

    def fetch_many(self, keys: Sequence[_RowKeys], as_of_us: int) -> FetchedRows:
        """`fetch` for many rows, in their order, all from one publication of each set; nothing is read yet.

        Args:
            keys: a row each, all of the same sets.
            as_of_us: as `fetch`.
        """
        return FetchedRows(self._read, partial(self._row, as_of_us), keys)

    def _read(self, keys: Sequence[_RowKeys]) -> tuple[list[_LoadedSet], list[bytes | None]]:
        """The sets as they are published, and the stored row of each key: rows outside, sets inside.

        Raises:
            InputError, RetryError: as `fetch`; a row that is damaged inside is found when it is computed.
        """
        for _ in range(_ATTEMPTS):
            sets = [self._loaded.get(set_id) or self._current(set_id) for set_id in keys[0]]
            places = [(SETS, loaded.stored.feature_set.id.encode()) for loaded in sets]
            places += [_place(loaded.stored, row[loaded.stored.feature_set.id]) for row in keys for loaded in sets]
            read = self._store.get_many(places)
            published, rows = read[: len(sets)], read[len(sets) :]
            late = [
                loaded
                for number, loaded in enumerate(sets)
                if published[number] != loaded.row or not _are_of(loaded, rows[number :: len(sets)])
            ]
            if not late:
                return sets, rows
            for loaded in late:
                self._current(loaded.stored.feature_set.id)
        raise _kept_changing(keys[0])

    def _row(self, as_of_us: int, sets: Sequence[_LoadedSet], rows: Sequence[bytes | None]) -> dict[str, FeatureValue]:
        values: dict[str, FeatureValue] = {}
        for loaded, row in zip(sets, rows, strict=True):
            values |= self._values(loaded, row, self._moment(loaded, as_of_us))
        return values

    @staticmethod
    def _moment(loaded: _LoadedSet, as_of_us: int) -> int:
        if as_of_us < loaded.stored.until:
            raise InputError(
                f"{loaded.stored.feature_set.id} was published with events known before {loaded.stored.until}; "
                f"it cannot answer for the earlier moment {as_of_us} (UTC microseconds)"
            )
        return as_of_us

    def _current(self, set_id: str) -> _LoadedSet:
        """The set as it is published now."""
        for _ in range(_ATTEMPTS):
            row = self._store.get_many([(SETS, set_id.encode())])[0]
            if row is None:
                raise InputError(f"feature set {set_id} was never published to the online store; materialize it first")
            loaded = self._loaded.get(set_id)
            if loaded is not None and loaded.row == row:
                return loaded
            stored = stored_set(row)
            if stored is None or not is_whole(self._store, stored):
                continue
            loaded = self._loaded[set_id] = _load_set(row, stored, self._wanted.get(set_id))
            return loaded
        raise RetryError(
            f"{set_id} in the online store is damaged, or was republished again and again while it was opened; "
            "if trying again does not help, materialize it again"
        )

    def _values(self, loaded: _LoadedSet, row: bytes | None, moment: int) -> dict[str, FeatureValue]:
        row = loaded.empty if row is None else row
        if len(row) % 4:
            raise _damaged_set(loaded)
        words: U32 = np.frombuffer(row, "<u4")
        at = len(loaded.stamp) // 4
        values: dict[str, FeatureValue] = {}
        for asked in loaded.asked:
            plan = asked.plan
            ints = np.empty(len(asked.features), np.int64)
            found = np.empty(ints.size, np.uint8)
            merged = np.empty((plan.windows.size, words.size + MOST_WORDS), np.uint32)
            at = tiles.look_up(
                words,
                at,
                plan.shape,
                plan.floats,
                moment,
                plan.windows,
                plan.hops,
                plan.tiers,
                asked.operations,
                asked.windows,
                ints,
                ints.view(np.float64),
                found,
                merged,
            )
            if at < 0:
                raise _damaged_set(loaded)
            for number, feature in enumerate(asked.features):
                values[feature.name] = _value(feature, int(found[number]), ints, number, merged)
        if at != words.size:
            raise _damaged_set(loaded)
        return {full: values[name] for name, full in loaded.names.items()}


class FetchedRows:
    """Features of many rows, of one publication of each set however long the reading takes, in their order.

    It is read in parts, so that a long list keeps nobody from the store, and then computed row by row.
    """

    def __init__(
        self,
        read: Callable[[Sequence[_RowKeys]], tuple[list[_LoadedSet], list[bytes | None]]],
        compute: Callable[[Sequence[_LoadedSet], Sequence[bytes | None]], dict[str, FeatureValue]],
        keys: Sequence[_RowKeys],
    ) -> None:
        """Nothing is read yet.

        Args:
            read: the sets as they are published, and what is stored of some rows: rows outside, sets inside.
            compute: one row's values of what is stored of it.
            keys: a row each, all of the same sets.
        """
        self._read = read
        self._compute = compute
        self._keys = keys
        self._sets: list[_LoadedSet] = []
        self._rows: list[bytes | None] = []
        self._started_again = 0
        self._computed = 0

    @property
    def known_until(self) -> dict[str, int]:
        """Set → the moment (UTC microseconds) up to which the rows that were read know events."""
        return {loaded.stored.feature_set.id: loaded.stored.until for loaded in self._sets}

    def read(self, most: int) -> bool:
        """Read up to `most` more rows, and say whether some are left.

        A set that was published meanwhile is read from the first row on.

        Raises:
            InputError, RetryError: as `FeatureReader.fetch`.
        """
        width = len(self._keys[0]) if self._keys else 0
        first = len(self._rows) // width if width else len(self._keys)
        part = self._keys[first : first + most]
        if not part:
            return False
        sets, rows = self._read(part)
        if first and any(was.row != loaded.row for was, loaded in zip(self._sets, sets, strict=True)):
            self._started_again += 1
            if self._started_again == _ATTEMPTS:
                raise _kept_changing(self._keys[0])
            self._rows.clear()
            return True
        self._sets = sets
        self._rows += rows
        return first + len(part) < len(self._keys)

    def __iter__(self) -> Self:
        """Those not yet computed."""
        return self

    def __next__(self) -> dict[str, FeatureValue]:
        """The next row's values by full name.

        Raises:
            InputError, RetryError: as `FeatureReader.fetch`.
        """
        if self._computed == len(self._keys):
            raise StopIteration
        first = self._computed * len(self._sets)
        self._computed += 1
        return self._compute(self._sets, self._rows[first : first + len(self._sets)])


def _value(feature: Feature, found: int, ints: I64, slot: int, merged: U32) -> FeatureValue:
    if found == EMPTY and feature.default is not None:
        return int(feature.default) if feature.type == "int64" else feature.default
    if found != VALUE:
        return None
    if feature.type == "string":
        return text_at(merged.reshape(-1), int(ints[slot]))
    return float(ints.view(np.float64)[slot]) if feature.type == "float64" else int(ints[slot])


def _place(stored: StoredSet, values: Mapping[str, Any]) -> tuple[str, bytes]:
    # No key is empty: nothing is found where a part is null.
    return stored.table, _key(stored, values) or b""


def _are_of(loaded: _LoadedSet, rows: Sequence[bytes | None]) -> bool:
    """Whether rows are of the publication that is loaded."""
    return all(row is None or row[:8] == loaded.stamp for row in rows)


def _kept_changing(sets: Iterable[str]) -> RetryError:
    return RetryError(f"{', '.join(sets)} kept being republished while they were read, or a row is damaged")


def _damaged_set(loaded: _LoadedSet) -> RetryError:
    return RetryError(f"a row of {loaded.stored.feature_set.id} in the online store is damaged; materialize it again")


def _load_set(row: bytes, stored: StoredSet, schema: FeatureSchema | None) -> _LoadedSet:
    plans = set_plans(stored.feature_set)
    known = [feature.name for plan in plans for feature in plan.features]
    if schema is not None:
        _check(schema, stored, known)
    wanted = known if schema is None else schema.columns
    stamp = stamp_bytes(stored.stamp)
    nothing = bytes(8 * sum(len(plan.tier_hops) for plan in plans))
    return _LoadedSet(
        row=row,
        stored=stored,
        stamp=stamp,
        asked=tuple(_Asked.of(plan, frozenset(wanted)) for plan in plans),
        names={name: full_name(stored.feature_set.name, name) for name in wanted},
        empty=stamp + nothing,
    )


def _check(schema: FeatureSchema, stored: StoredSet, known: Sequence[str]) -> None:
    if stored.digest != schema.digest or meaning_digest(stored.feature_set) != schema.digest:
        raise InputError(
            f"the online store's {schema.set} ({stored.digest}) means something else than the model was trained on "
            f"({schema.digest}); materialize the definition the model was trained with, or retrain"
        )
    missing = [name for name in schema.columns if name not in known]
    if missing:
        raise InputError(f"{schema.set} has no {', '.join(missing)}; allowed: {', '.join(known)}")


def _key(stored: StoredSet, values: Mapping[str, Any]) -> bytes | None:
    """The key's bytes; None when a part is null."""
    parts = []
    for column in stored.feature_set.definition.key:
        if column not in values:
            raise InputError(f"{stored.feature_set.id}: the key {column} is missing; got {', '.join(values) or 'none'}")
        value = values[column]
        expected = str if stored.feature_set.source.columns[column] == "string" else int
        if value is not None and (isinstance(value, bool) or not isinstance(value, expected)):
            raise InputError(
                f"{stored.feature_set.id}: the key {column} must be {expected.__name__}, got {type(value).__name__}"
            )
        parts.append(value)
    return None if None in parts else key_bytes(parts)
