"""Brings the online store to what main's feature sets say, and reads it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.delivery.context import Context
from bighead_ci.documents.base import epoch_us
from bighead_ci.documents.definition import FeatureSchema, SourceDefinition, VersionedFeatureSet
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features.meaning import feature_schema
from bighead_ci.features.online import FeatureReader
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree

_ONE_AT_A_TIME = threading.Lock()
"""Models are brought up at once; what they share is materialised by the first of them."""


def feature_set_ids(tree: Tree) -> list[str]:
    """Every feature set of a tree: `carrier_delays/v1`."""
    folders = [path.removesuffix("/feature_set.yaml") for path in tree.files() if path.endswith("/feature_set.yaml")]
    return sorted(folder.removeprefix("features/") for folder in folders if folder.startswith("features/"))


def materialize(context: Context, ids: Sequence[str] | None, progress: Progress) -> dict[str, int]:
    """Write each set's state, of events known before the workspace's moment; return the keys written by set.

    Raises:
        InputError: main has no such feature set.
    """
    main = context.main()
    tree = main.tree
    known = feature_set_ids(tree)
    unknown = sorted(set(ids or []) - set(known))
    if unknown:
        raise InputError(f"main has no feature set {', '.join(unknown)}; feature sets: {', '.join(known) or 'none'}")
    checkout = context.orchestrator.sources(main.commit, progress)
    until = context.data_clock.now()
    done = {}
    for name in ids or known:
        loaded = load_feature_set(tree, *name.split("/"))
        progress(f"{name}: state of every {', '.join(loaded.definition.key)} up to {until:%Y-%m-%d %H:%M:%S} UTC")
        with closing(context.open_online_store(readonly=False)) as store:
            done[name] = context.offline_store.materialize([loaded], _sources(checkout, loaded), until, store)
    return done


def ensure_materialized(context: Context, schemas: Sequence[FeatureSchema], progress: Progress) -> None:
    """Materialise the sets that an artifact needs and that the online store lacks (or has with another meaning)."""
    with _ONE_AT_A_TIME:
        missing = [schema.set for schema in schemas if not _has(context, schema)]
        if missing:
            materialize(context, missing, progress)


def _has(context: Context, schema: FeatureSchema) -> bool:
    try:
        with closing(context.open_online_store(readonly=True)) as store:
            FeatureReader(store).open(schema)
    except (InputError, RetryError):
        return False
    return True


def _sources(checkout: Path, loaded: VersionedFeatureSet) -> dict[str, tuple[SourceDefinition, Path]]:
    name = loaded.definition.source
    return {name: (loaded.source, checkout / "features/sources" / loaded.source.path)}


def fetch(context: Context, feature_set: str, key: Sequence[str]) -> dict[str, Any]:
    """Features of one key as of the workspace's moment, as a serving process would get them.

    Raises:
        InputError: no such set on main or in the online store, or a wrong number of key values.
    """
    tree = context.main().tree
    known = feature_set_ids(tree)
    if feature_set not in known:
        raise InputError(f"main has no feature set {feature_set!r}; feature sets: {', '.join(known) or 'none'}")
    loaded = load_feature_set(tree, *feature_set.split("/"))
    names = loaded.definition.key
    if len(key) != len(names):
        raise InputError(f"{feature_set} has the key {', '.join(names)}: give {len(names)} value(s), got {len(key)}")
    as_of = epoch_us(context.data_clock.now())
    with closing(context.open_online_store(readonly=True)) as store:
        reader = FeatureReader(store)
        reader.open(feature_schema(loaded, None))
        return dict(reader.fetch({feature_set: _typed_key(loaded, key)}, as_of))


def _typed_key(loaded: VersionedFeatureSet, key: Sequence[str]) -> dict[str, Any]:
    """The key's columns with what was typed as their values."""
    values: dict[str, Any] = {}
    for name, text in zip(loaded.definition.key, key, strict=True):
        try:
            values[name] = int(text) if loaded.source.columns[name] == "int64" else text
        except ValueError as error:
            raise InputError(f"{loaded.id}: the key {name} must be a whole number, got {text!r}") from error
    return values
