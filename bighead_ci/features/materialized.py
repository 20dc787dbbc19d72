"""How a feature set is laid out in an online store, and how a new state of it is published.

Table `__sets__` holds one small JSON row a set (`StoredSet`); it names the table that holds the keys. A set alternates
between two tables: the idle one is replaced in one transaction, then the row in `__sets__` is swapped, so that a reader
sees the old state or the new one. A key's row is the stamp of its publication (8 bytes) and the key's state: for each
column of the set, in the definition's order, what `kernel.tiles` says. A key's state depends on nothing but the
definition, `until` and the events: those of separate partitions merge to that of all (`merge_key_states`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from pydantic import ValidationError

from bighead_ci.documents.base import Digest, Document, digest_of
from bighead_ci.documents.definition import VersionedFeatureSet
from bighead_ci.errors import BugError, InputError
from bighead_ci.features.batch import Events
from bighead_ci.features.columns import ColumnPlan, plans_of
from bighead_ci.features.kernel import tiles
from bighead_ci.features.kernel.arrays import U32
from bighead_ci.features.kernel.windows import left_end
from bighead_ci.features.meaning import features_of, meaning_digest
from bighead_ci.features.states import room_for
from bighead_ci.ports.online_store import OnlineStore

SETS = "__sets__"
STAMP = b"stamp"
"""Row of a set's table that says which publication it holds; keys start with `[` or `#`."""
_FORMAT = 2
_LONGEST_KEY = 400
_KEY_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
"""Made once: `json.dumps` makes one a call, which takes longer than to write a key."""


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
    data: str = ""
    """Digest of the source's file, as dvc.lock names it."""
    newest: int | None = None
    """Time (UTC microseconds) of the newest event that is in; None: there is none."""


def set_plans(feature_set: VersionedFeatureSet) -> list[ColumnPlan]:
    """The plans of all features of a set, in the order in which a key's row holds them."""
    return plans_of(features_of(feature_set), feature_set.source)


def key_bytes(values: Sequence[Any]) -> bytes:
    """A key as the online store knows it: JSON, or a digest where that is long."""
    # A caller's JSON may hold half a surrogate pair; no Parquet file can, so it is a key that nobody stored.
    text = _KEY_JSON.encode(list(values)).encode(errors="surrogatepass")
    return text if len(text) <= _LONGEST_KEY else b"#" + hashlib.sha256(text).hexdigest().encode()


def stamp_of(feature_set: VersionedFeatureSet, until: int, content: str) -> int:
    """A number that is the same exactly if a publication would be: same meaning, moment and source content."""
    digest = digest_of([_FORMAT, meaning_digest(feature_set), until, content])
    return int.from_bytes(bytes.fromhex(digest.removeprefix("sha256:")[:16]), "little", signed=True)


def earliest_needed(plans: Iterable[ColumnPlan], until: int) -> int:
    """No window at `until` or later reaches events before this moment."""
    return min(_left(window, hop, until) for plan in plans for window, hop in plan.window_pairs)


def _left(window: int, hop: int, until: int) -> int:
    return int(left_end(until, window, hop))


def key_states(plans: Sequence[ColumnPlan], events: Events, until: int) -> Iterator[tuple[int, bytes]]:
    """Group number and state of each key that has anything to say from `until` on.

    Args:
        plans: of the whole set.
        events: of whole keys, with ids, known before `until`.
        until: from which moment on the states must answer.
    """
    if events.ids is None:
        raise BugError("states are made of events without ids")
    starts = events.starts
    ends = np.append(starts[1:], events.groups.size)
    encoded = []
    for plan in plans:
        values = events.columns[plan.column]
        lefts = [min(_left(w, h, until) for w, h in plan.window_pairs if h == hop) for hop in plan.tier_hops]
        encoded.append(
            tiles.tile_keys(
                plan.shape,
                starts,
                ends,
                events.timestamps,
                values.raw,
                plan.floats,
                values.present,
                *values.texts,
                events.ids.raw,
                *events.ids.texts,
                room_for(values, events.ids),
                np.array(plan.tier_hops, np.int64),
                np.array(lefts, np.int64),
                until,
            )
        )
    for key, group in enumerate(events.groups[starts].tolist()):
        if any(entries[key] for _, _, entries in encoded):
            parts = [words[ends[key - 1] if key else 0 : ends[key]] for words, ends, _ in encoded]
            yield group, np.concatenate(parts).astype("<u4").tobytes()


def merge_key_states(plans: Sequence[ColumnPlan], left: bytes, right: bytes) -> bytes:
    """One key's state from those of two partitions of its events, encoded for the same moment.

    Raises:
        InputError: one of them is not a whole state of these plans.
    """
    one, other = (np.frombuffer(state[: len(state) // 4 * 4], "<u4") for state in (left, right))
    merged: U32 = np.empty(one.size + other.size, np.uint32)
    at, there, used = 0, 0, 0
    for plan in plans:
        for _ in plan.tier_hops:
            end, other_end = tiles.tier_end(one, at), tiles.tier_end(other, there)
            if end < 0 or other_end < 0:
                raise InputError("these bytes are no state of a key of this set")
            merged, used = tiles.merge_tiers(plan.shape, one, at, other, there, merged, used)
            at, there = end, other_end
    if 4 * at != len(left) or 4 * there != len(right):
        raise InputError("these bytes are no state of a key of this set")
    return merged[:used].astype("<u4").tobytes()


def key_rows(
    plans: Sequence[ColumnPlan], events: Events, until: int, stamp: int, key_of: Callable[[int], bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """A publication's row for each key of a chunk of events; `key_of`: group number → the key's bytes."""
    packed = stamp_bytes(stamp)
    for group, state in key_states(plans, events, until):
        yield key_of(group), packed + state


def stamp_bytes(stamp: int) -> bytes:
    """A stamp as it stands in front of a row."""
    return stamp.to_bytes(8, "little", signed=True)


def stored_set(row: bytes) -> StoredSet | None:
    """A row of `__sets__`; None if it is damaged."""
    try:
        return StoredSet.model_validate_json(row)
    except ValidationError:
        return None


def published_sets(store: OnlineStore, ids: Sequence[str]) -> dict[str, StoredSet]:
    """What the store holds whole of some sets."""
    rows = store.get_many([(SETS, name.encode()) for name in ids])
    found = {name: stored_set(row) for name, row in zip(ids, rows, strict=True) if row is not None}
    return {name: stored for name, stored in found.items() if stored is not None and is_whole(store, stored)}


def is_whole(store: OnlineStore, stored: StoredSet) -> bool:
    """Whether a publication's table is there, and is its own."""
    return store.get_many([(stored.table, STAMP)])[0] == stamp_bytes(stored.stamp)


def publish(
    store: OnlineStore,
    feature_set: VersionedFeatureSet,
    *,
    until: int,
    stamp: int,
    data: str,
    newest: int | None,
    rows: Iterable[tuple[bytes, bytes]],
) -> int:
    """Replace what the store holds of a set, at once for every reader; return the number of keys.

    Args:
        store: opened for writing.
        feature_set: what the rows are of.
        until: the moment of publication.
        stamp: as in the rows. When the store already holds it whole, nothing is written.
        data: digest of the source's file.
        newest: time of the newest event that is in.
        rows: of `key_rows`.
    """
    row = store.get_many([(SETS, feature_set.id.encode())])[0]
    held = None if row is None else stored_set(row)
    table = f"{feature_set.id}#0"
    if held is not None:
        if held.stamp == stamp and held.until == until and is_whole(store, held):
            return held.keys
        table = f"{feature_set.id}#{1 - int(held.table[-1])}"
    keys = store.replace(table, chain([(STAMP, stamp_bytes(stamp))], rows)) - 1
    stored = StoredSet(
        feature_set=feature_set,
        digest=meaning_digest(feature_set),
        until=until,
        table=table,
        stamp=stamp,
        keys=keys,
        data=data,
        newest=newest,
    )
    store.put_many(SETS, [(feature_set.id.encode(), stored.model_dump_json().encode())])
    return keys
