"""Feature values for one key, now: what serving calls on every request."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bighead_ci.documents.definition import FeatureSchema, Operation
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features import kernel
from bighead_ci.features.kernel import I64
from bighead_ci.features.materialized import (
    SETS,
    StoredSet,
    key_bytes,
    set_plans,
    stored_set,
    stored_strings,
)
from bighead_ci.features.meaning import meaning_digest
from bighead_ci.features.naming import full_name
from bighead_ci.features.state import ColumnPlan, Layout, finalize
from bighead_ci.ports.online_store import OnlineStore

FeatureValue = int | float | str | None
_ATTEMPTS = 8
_HEADER = 3
_LEAST_EXPONENT = -1074
_MOST_DIGITS = 256
"""More than the squares of all float64 need."""


@dataclass
class _Held:
    """One publication of a set, ready to read."""

    row: bytes
    stored: StoredSet
    stamp: bytes
    plans: list[ColumnPlan]
    names: dict[str, str]
    strings: dict[str, tuple[str, ...]]
    empty: bytes
    layouts: dict[tuple[frozenset[Operation], int, int, int], Layout] = field(default_factory=dict)


class FeatureReader:
    """Reads features of published sets; safe to use while another process publishes.

    Args:
        store: opened for reading.
    """

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._held: dict[str, _Held] = {}
        self._wanted: dict[str, FeatureSchema] = {}

    def open(self, schema: FeatureSchema) -> None:
        """Make sure that the store holds what the schema expects, and compile what `fetch` needs.

        Raises:
            InputError: the set was never published, means something else, or lacks a column.
        """
        held = self._current(schema.set)
        _check(schema, held)
        self._wanted[schema.set] = schema
        self._values(held, None, held.stored.until)

    def until(self, set_id: str) -> int:
        """The moment (UTC microseconds) up to which the published set knows events."""
        return self._current(set_id).stored.until

    def fetch(self, keys: Mapping[str, Mapping[str, Any]], as_of_us: int) -> dict[str, FeatureValue]:
        """Features at a moment, equal to the offline computation over events known before each set's `until`.

        One call to the store, whatever the number of sets, unless one was published anew since the last.

        Args:
            keys: set (`carrier_delays/v1`) → its key columns' values; a None matches nothing.
            as_of_us: query time in UTC microseconds, not before any publication's `until`.

        Returns:
            Values by full name, of the columns of the opened schemas (of all, where none was opened). A key that the
            store does not know has counts of 0 and nulls or defaults otherwise.

        Raises:
            InputError: a set is not there, a key is missing or of the wrong type, the moment is too early, or a sum of
                integers that was asked for does not fit int64.
            RetryError: a set was republished again and again while it was read, or what is stored is damaged.
        """
        for _ in range(_ATTEMPTS):
            asked = [self._ask(set_id, values) for set_id, values in keys.items()]
            read = self._store.get_many([where for _, places in asked for where in places])
            rows = [read[first : first + 2] for first in range(0, len(read), 2)]
            late = [held for (held, _), found in zip(asked, rows, strict=True) if not _holds(held, found)]
            if not late:
                return {
                    name: value
                    for (held, _), (_, row) in zip(asked, rows, strict=True)
                    for name, value in self._values(held, row, self._moment(held, as_of_us)).items()
                }
            for held in late:
                self._current(held.stored.feature_set.id)
        raise RetryError(f"{', '.join(keys)} kept being republished while they were read, or a row is damaged")

    def _ask(self, set_id: str, values: Mapping[str, Any]) -> tuple[_Held, list[tuple[str, bytes]]]:
        held = self._held.get(set_id) or self._current(set_id)
        # No key is empty: nothing is found where a part is null.
        return held, [(SETS, set_id.encode()), (held.stored.table, _key(held.stored, values) or b"")]

    @staticmethod
    def _moment(held: _Held, as_of_us: int) -> int:
        if as_of_us < held.stored.until:
            raise InputError(
                f"{held.stored.feature_set.id} was published with events known before {held.stored.until}; "
                f"it cannot answer for the earlier moment {as_of_us} (UTC microseconds)"
            )
        return as_of_us

    def _current(self, set_id: str) -> _Held:
        """The set as it is published now."""
        for _ in range(_ATTEMPTS):
            row = self._store.get_many([(SETS, set_id.encode())])[0]
            if row is None:
                raise InputError(f"feature set {set_id} was never published to the online store; materialize it first")
            held = self._held.get(set_id)
            if held is not None and held.row == row:
                return held
            stored = stored_set(row)
            strings = None if stored is None else stored_strings(self._store, stored)
            if stored is None or strings is None:
                continue
            held = _held(row, stored, strings)
            if set_id in self._wanted:
                _check(self._wanted[set_id], held)
            self._held[set_id] = held
            return held
        raise RetryError(
            f"{set_id} in the online store is damaged, or was republished again and again while it was opened; "
            "if trying again does not help, materialize it again"
        )

    def _values(self, held: _Held, row: bytes | None, moment: int) -> dict[str, FeatureValue]:
        schema = self._wanted.get(held.stored.feature_set.id)
        wanted = held.names.keys() if schema is None else set(schema.columns)
        block: I64 = np.frombuffer(held.empty if row is None else row[: len(row) // 8 * 8], "<i8")
        position = 1
        values: dict[str, FeatureValue] = {}
        for plan in held.plans:
            layout = _layout(held, plan, block[position : position + _HEADER])
            states = np.empty((1, plan.windows.size, layout.operations.size), np.int64)
            position = kernel.look_up(
                block, position + _HEADER, layout.operations, moment, plan.windows, plan.hops, plan.tiers, states[0]
            )
            if position < 0:
                raise _damaged(held)
            features = [feature for feature in plan.features if feature.name in wanted]
            for feature, column in finalize(plan, layout, states, features, held.strings.get(plan.column)):
                values[held.names[feature.name]] = column.to_list()[0]
        if position * 8 != len(held.empty if row is None else row):
            raise _damaged(held)
        if schema is None:
            return values
        return {held.names[name]: values[held.names[name]] for name in schema.columns}


def _holds(held: _Held, found: Sequence[bytes | None]) -> bool:
    """Whether the set is still published as it is held, and the key's row is of that publication."""
    published, row = found
    return published == held.row and (row is None or row[:8] == held.stamp)


def _layout(held: _Held, plan: ColumnPlan, header: I64) -> Layout:
    key = (plan.operations, *header.tolist())
    layout = held.layouts.get(key)
    if layout is None:
        if header.size != _HEADER or not _LEAST_EXPONENT <= header[0] <= -_LEAST_EXPONENT or _odd(header[1:]):
            raise _damaged(held)
        layout = held.layouts[key] = Layout(*key)
    return layout


def _odd(digits: I64) -> bool:
    return bool(digits.min() < 0 or digits.max() > _MOST_DIGITS)


def _damaged(held: _Held) -> RetryError:
    return RetryError(f"a row of {held.stored.feature_set.id} in the online store is damaged; materialize it again")


def _held(row: bytes, stored: StoredSet, strings: dict[str, tuple[str, ...]]) -> _Held:
    plans = set_plans(stored.feature_set)
    names = {
        feature.name: full_name(stored.feature_set.name, feature.name) for plan in plans for feature in plan.features
    }
    # Nothing in any tier: exponent 0 and one digit a sum, then (0, 0) a tier.
    empty = [stored.stamp]
    for plan in plans:
        empty += [0, 1, 1, *([0, 0] * len(plan.tier_hops))]
    packed = struct.pack(f"<{len(empty)}q", *empty)
    return _Held(row, stored, packed[:8], plans, names, strings, packed)


def _check(schema: FeatureSchema, held: _Held) -> None:
    stored = held.stored
    if stored.digest != schema.digest or meaning_digest(stored.feature_set) != schema.digest:
        raise InputError(
            f"the online store's {schema.set} ({stored.digest}) means something else than the model was trained on "
            f"({schema.digest}); materialize the definition the model was trained with, or retrain"
        )
    missing = [name for name in schema.columns if name not in held.names]
    if missing:
        raise InputError(f"{schema.set} has no {', '.join(missing)}; allowed: {', '.join(held.names)}")


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
