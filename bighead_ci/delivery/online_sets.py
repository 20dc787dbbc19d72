"""What the online store holds of main's feature sets, against what main says they are made of."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.documents.base import Document, Moment, digest_of, moment_of
from bighead_ci.documents.definition import VersionedFeatureSet
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features.materialized import StoredSet, published_sets
from bighead_ci.features.meaning import meaning_digest
from bighead_ci.planning.meaning import DATA_LOCK, Definitions
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.ports.tree import Tree

_IN_USE = threading.Lock()
"""A process can have the online store open once."""

EnvironmentPlace = tuple[str, EnvironmentDefinition]
"""An environment's name, and what it is."""


class StaleSet(Document):
    """A feature set whose online features are not those of main."""

    set: str
    """`carrier_delays/v1`."""
    reason: str
    online: str | None
    """Digest of the data that its online features are of; None: it has none."""
    until: Moment | None
    """Up to when they know events."""
    main: str | None
    """Digest of the data that main names; None: it names none."""

    @property
    def words(self) -> str:
        """For people."""
        online = "nothing" if self.online is None else f"data {self.online[:10]} up to {self.until:%Y-%m-%d %H:%M:%S}"
        return f"{self.reason}: online {online}, main {'none' if self.main is None else f'data {self.main[:10]}'}"


@contextmanager
def online_store(context: Context, *, readonly: bool, place: EnvironmentPlace | None = None) -> Iterator[OnlineStore]:
    """The online store of an environment, or this machine's, for one user of this process at a time.

    Raises:
        RetryError: there is none yet to read, another process writes to it, or it is damaged.
    """
    with _IN_USE:
        if place is None:
            opened = context.open_online_store(readonly=readonly)
        else:
            opened = context.open_online_store_of(*place, readonly=readonly)
        with closing(opened) as store:
            yield store


def feature_set_ids(tree: Tree) -> list[str]:
    """Every feature set of a tree: `carrier_delays/v1`."""
    folders = [path.removesuffix("/feature_set.yaml") for path in tree.files() if path.endswith("/feature_set.yaml")]
    return sorted(folder.removeprefix("features/") for folder in folders if folder.startswith("features/"))


def features_digest(tree: Tree) -> str:
    """Of all files that feature sets and their data are named by: while it stays, no set becomes stale."""
    files = tree.files().items()
    return digest_of({path: content for path, content in files if path == DATA_LOCK or path.startswith("features/")})


def stored_sets(context: Context, ids: Sequence[str]) -> dict[str, StoredSet]:
    """What the online store holds whole; nothing where there is no store, or a damaged one."""
    try:
        with online_store(context, readonly=True) as store:
            return published_sets(store, ids)
    except RetryError:
        return {}


def stale_sets(context: Context, main: Main) -> list[StaleSet]:
    """Main's feature sets whose online features are of other data, of another definition, or were never made."""
    ids = feature_set_ids(main.tree)
    definitions, stored = Definitions(Files(main.tree)), stored_sets(context, ids)
    found = [_stale(definitions, name, stored.get(name)) for name in ids]
    return [one for one in found if one is not None]


def _stale(definitions: Definitions, name: str, stored: StoredSet | None) -> StaleSet | None:
    try:
        wanted = definitions.feature_set(name)
        data = definitions.snapshot(wanted.definition.source)
        reason = _reason(wanted, data, stored)
    except InputError as error:
        data, reason = None, str(error)
    if reason is None:
        return None
    return StaleSet(
        set=name,
        reason=reason,
        online=stored.data if stored else None,
        until=moment_of(stored.until) if stored else None,
        main=data,
    )


def _reason(wanted: VersionedFeatureSet, data: str, stored: StoredSet | None) -> str | None:
    if stored is None:
        return "not materialised yet"
    if stored.digest != meaning_digest(wanted):
        return "of another definition"
    return "of other data" if stored.data != data else None
