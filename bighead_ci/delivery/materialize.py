"""Brings the online store to what main's feature sets say, and reads it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.failures import Failures
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.online_sets import EnvironmentPlace, feature_set_ids, online_store
from bighead_ci.delivery.reach import reach_of
from bighead_ci.documents.base import Document, epoch_us
from bighead_ci.documents.definition import FeatureSchema, VersionedFeatureSet
from bighead_ci.documents.failure import Failure
from bighead_ci.documents.report import FeatureReach
from bighead_ci.errors import InputError, RetryError
from bighead_ci.features.meaning import feature_schema
from bighead_ci.features.online import FeatureReader
from bighead_ci.planning.meaning import data_path
from bighead_ci.ports.progress import Progress

_ONE_AT_A_TIME = threading.Lock()
"""Models are brought up at once; what they share is materialised by the first of them."""


class Materialization(Document):
    """What was written to the online store, and the sets that could not be."""

    keys: dict[str, int]
    """By set."""
    warnings: list[str]
    """Sets of which no feature reaches a row of their data."""
    failures: list[Failure]


def materialize(
    context: Context, ids: Sequence[str] | None, progress: Progress, environment: str | None = None
) -> Materialization:
    """Write each set's state, of events known before the workspace's moment, to an environment's online store.

    Without an environment: to that of this machine.

    A set that fails keeps what it had, and holds up none of the others. Who reads a set meanwhile reads what it was
    before, and then at once what it is now.

    Raises:
        InputError: main has no such feature set, or no such environment.
    """
    main = context.main()
    place = None if environment is None else (environment, main.desired.environment(environment))
    known = feature_set_ids(main.tree)
    unknown = sorted(set(ids or []) - set(known))
    if unknown:
        raise InputError(f"main has no feature set {', '.join(unknown)}; feature sets: {', '.join(known) or 'none'}")
    keys: dict[str, int] = {}
    warnings: list[str] = []
    failures = Failures()
    for name in known if ids is None else ids:
        with failures.contain(name):
            keys[name], reach = _materialize(context, main, name, progress, place)
            if not reach.reached:
                warnings.append(f"{name}: {reach.words}")
                progress(f"warning: {warnings[-1]}")
    return Materialization(keys=keys, warnings=warnings, failures=failures.found)


def _materialize(
    context: Context, main: Main, name: str, progress: Progress, place: EnvironmentPlace | None
) -> tuple[int, FeatureReach]:
    loaded = load_feature_set(main.tree, *name.split("/"))
    path = data_path(loaded.source)
    sources = {
        loaded.definition.source: (loaded.source, context.orchestrator.sources(main.commit, progress, [path]) / path)
    }
    until = context.data_clock.now()
    progress(f"{name}: state of every {', '.join(loaded.definition.key)} up to {until:%Y-%m-%d %H:%M:%S} UTC")
    with online_store(context, readonly=False, place=place) as store:
        keys = context.offline_store.materialize([loaded], sources, until, store)
    return keys, reach_of(context, loaded, None, sources[loaded.definition.source][1])


def ensure_materialized(context: Context, schemas: Sequence[FeatureSchema], progress: Progress) -> None:
    """Materialise the sets that an artifact needs and that the online store lacks (or has with another meaning).

    Raises:
        InputError: one of them cannot be.
        RetryError: likewise, for now.
    """
    with _ONE_AT_A_TIME:
        missing = [schema.set for schema in schemas if not _has(context, schema)]
        failures = materialize(context, missing, progress).failures if missing else []
    if failures:
        kind = RetryError if any(failure.remedy == "retry" for failure in failures) else InputError
        raise kind("; ".join(f"{failure.about}: {failure.message}" for failure in failures))


def _has(context: Context, schema: FeatureSchema) -> bool:
    try:
        with online_store(context, readonly=True) as store:
            FeatureReader(store).open(schema)
    except (InputError, RetryError):
        return False
    return True


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
    with online_store(context, readonly=True) as store:
        reader = FeatureReader(store)
        reader.open(feature_schema(loaded, None))
        as_of = epoch_us(context.data_clock.now())
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
