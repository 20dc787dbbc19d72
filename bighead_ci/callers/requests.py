"""Which request bodies are sent: the rows of a model's spine source that come after the workspace's moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from bighead_ci.definitions.loading import load_model, load_source
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.documents.definition import RequestField, SourceDefinition
from bighead_ci.errors import InputError
from bighead_ci.features.source_files import read_source, view_of
from bighead_ci.planning.meaning import data_path
from bighead_ci.ports.progress import Progress

AHEAD = timedelta(hours=2)
"""Callers ask about what happens within this time."""


def request_bodies(context: Context, main: Main, model: str, version: str, progress: Progress) -> list[dict[str, Any]]:
    """What callers of a model version send, in order of time, from the data that main names.

    Raises:
        InputError: no such version, or its source has no rows there.
    """
    definition = load_model(main.tree, model, version).definition
    source = load_source(main.tree, definition.spine.source)
    path = context.orchestrator.sources(main.commit, progress, [data_path(source)]) / data_path(source)
    return requests_of(definition.request, definition.spine.source, source, path, context.data_clock.now())


def requests_of(
    fields: Mapping[str, RequestField], name: str, source: SourceDefinition, path: Path, now: datetime
) -> list[dict[str, Any]]:
    """Request bodies made of a source's rows, in order of time: of the next two hours, or all if rows have no time.

    Raises:
        InputError: the source has no rows there.
    """
    columns = {name: field.column or name for name, field in fields.items()}
    table = read_source(view_of(name, source, path, columns.values()))
    if source.timestamp is not None:
        times = table[source.timestamp]
        table = table.filter(pc.and_(pc.greater_equal(times, now), pc.less(times, now + AHEAD)))
        table = table.sort_by(source.timestamp)
    rows = table.to_pylist()
    if not rows:
        raise InputError(f"{path.name} has no rows in the two hours after {now}: nothing to send")
    return [{name: _plain(row[column]) for name, column in columns.items() if row[column] is not None} for row in rows]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
