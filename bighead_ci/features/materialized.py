"""How a feature set is laid out in an online store, and how a new state of it is published.

Table `__sets__` holds one small JSON row a set (`StoredSet`); it names the table that holds the keys. A set alternates
between two tables: the idle one is replaced in one transaction, then the row in `__sets__` is swapped, so that a reader
sees the old state or the new one. A key's row is int64 values: the stamp of its publication, then for each column of
the set (in the definition's order) exponent, digits of sums, digits of squares, and the entries that `kernel.tile`
makes, tier by tier.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from pydantic import ValidationError

from bighead_ci.documents.base import Digest, Document, digest_of
from bighead_ci.documents.definition import VersionedFeatureSet
from bighead_ci.features import kernel
from bighead_ci.features.batch import Events
from bighead_ci.features.kernel import I64
from bighead_ci.features.meaning import features_of, meaning_digest
from bighead_ci.features.state import ColumnPlan, encode, plans_of
from bighead_ci.ports.online_store import OnlineStore

SETS = "__sets__"
STRINGS = b"strings"
"""Row of a set's table with the sorted strings of its string columns, as JSON; keys start with `[` or `#`."""
_FORMAT = 1
_LONGEST_KEY = 400


class StoredSet(Document):
    """Row of `__sets__`: what is stored of a feature set, and where."""

    feature_set: VersionedFeatureSet
    """The definition that the rows were written by: its order of columns is theirs."""
    digest: Digest
    """Of the set's meaning."""
    until: int
    """Events known before this moment (UTC microseconds) are in."""
    table: str
    stamp: int
    """Stands in front of every row of the publication."""
    keys: int


def set_plans(feature_set: VersionedFeatureSet) -> list[ColumnPlan]:
    """The plans of all features of a set, in the order in which a key's row holds them."""
    return plans_of(features_of(feature_set), feature_set.source.columns)


def key_bytes(values: Sequence[Any]) -> bytes:
    """A key as the online store knows it: JSON, or a digest where that is long."""
    # A caller's JSON may hold half a surrogate pair; no Parquet file can, so it is a key that nobody stored.
    text = json.dumps(list(values), separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
    return text if len(text) <= _LONGEST_KEY else b"#" + hashlib.sha256(text).hexdigest().encode()


def stamp_of(feature_set: VersionedFeatureSet, until: int, content: str) -> int:
    """A number that is the same exactly if a publication would be: same meaning, moment and source content."""
    digest = digest_of([_FORMAT, meaning_digest(feature_set), until, content])
    return int.from_bytes(bytes.fromhex(digest.removeprefix("sha256:")[:16]), "little", signed=True)


def earliest_needed(plans: Iterable[ColumnPlan], until: int) -> int:
    """No window at `until` or later reaches events before this moment."""
    return min(_left(window, hop, until) for plan in plans for window, hop in plan.window_pairs)


def _left(window: int, hop: int, until: int) -> int:
    return int(kernel.left_end(until, window, hop))


def key_rows(
    plans: Sequence[ColumnPlan], events: Events, until: int, stamp: int, key_of: Callable[[int], bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """One row for each key of a chunk of events that has anything to say from `until` on.

    Args:
        plans: of the whole set.
        events: of whole keys, known before `until`.
        until: the moment of publication.
        stamp: of the publication.
        key_of: group number → the key's bytes.
    """
    encoded = [(plan, *encode(plan, events.columns[plan.column], events.ranks())) for plan in plans]
    groups, starts = np.unique(events.groups, return_index=True)
    ends = np.append(starts[1:], events.groups.size)
    for group, start, end in zip(groups.tolist(), starts.tolist(), ends.tolist(), strict=True):
        key = slice(start, end)
        parts = [np.array([stamp], np.int64)]
        entries = 0
        for plan, layout, leaves, present in encoded:
            parts.append(np.array([layout.exponent, layout.sum_digits, layout.square_digits], np.int64))
            for tier, hop in enumerate(plan.tier_hops):
                left = min(_left(window, h, until) for window, h in plan.window_pairs if h == plan.tier_hops[tier])
                tiles = _tiles(events.timestamps[key], leaves[key], present[key], layout.operations, hop, until, left)
                entries += int(tiles[0][1])
                parts.extend(tiles)
        if entries:
            yield key_of(group), np.concatenate(parts).astype("<i8").tobytes()


def _tiles(
    timestamps: I64,
    leaves: I64,
    present: np.ndarray[tuple[int], np.dtype[np.bool_]],
    operations: kernel.U8,
    hop: int,
    until: int,
    left: int,
) -> tuple[I64, I64, I64]:
    first = int(np.searchsorted(timestamps, left))
    starts = np.empty(timestamps.size - first, np.int64)
    states = np.empty((starts.size, operations.size), np.int64)
    past, entries = kernel.tile(
        timestamps[first:], leaves[first:], present[first:], operations, hop, until, starts, states
    )
    return np.array([past, entries], np.int64), starts[:entries], states[:entries].ravel()


def stored_set(row: bytes) -> StoredSet | None:
    """A row of `__sets__`; None if it is damaged."""
    try:
        return StoredSet.model_validate_json(row)
    except ValidationError:
        return None


def stored_strings(store: OnlineStore, stored: StoredSet) -> dict[str, tuple[str, ...]] | None:
    """Strings of a publication's string columns; None if its table is gone, damaged or another publication's."""
    row = store.get_many([(stored.table, STRINGS)])[0]
    try:
        stamp, strings = json.loads(row or b"[null, {}]")
        return {name: tuple(members) for name, members in strings.items()} if stamp == stored.stamp else None
    except (ValueError, TypeError, AttributeError):
        return None


def publish(
    store: OnlineStore,
    feature_set: VersionedFeatureSet,
    *,
    until: int,
    stamp: int,
    rows: Iterable[tuple[bytes, bytes]],
    strings: Mapping[str, Sequence[str]],
) -> int:
    """Replace what the store holds of a set, at once for every reader; return the number of keys.

    Args:
        store: opened for writing.
        feature_set: what the rows are of.
        until: the moment of publication.
        stamp: as in the rows. When the store already holds it whole, nothing is written.
        rows: of `key_rows`.
        strings: sorted strings of each string column.
    """
    row = store.get_many([(SETS, feature_set.id.encode())])[0]
    held = None if row is None else stored_set(row)
    table = f"{feature_set.id}#0"
    if held is not None:
        if held.stamp == stamp and held.until == until and stored_strings(store, held) is not None:
            return held.keys
        table = f"{feature_set.id}#{1 - int(held.table[-1])}"
    dictionary = json.dumps([stamp, {name: list(values) for name, values in strings.items()}]).encode()
    keys = store.replace(table, chain([(STRINGS, dictionary)], rows)) - 1
    stored = StoredSet(
        feature_set=feature_set,
        digest=meaning_digest(feature_set),
        until=until,
        table=table,
        stamp=stamp,
        keys=keys,
    )
    store.put_many(SETS, [(feature_set.id.encode(), stored.model_dump_json().encode())])
    return keys
