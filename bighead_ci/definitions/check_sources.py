"""Problems of a source: its columns, and a path that names no Parquet file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from bighead_ci.definitions.files import Files, Place
from bighead_ci.documents.definition import SourceDefinition
from bighead_ci.errors import Problem

SOURCES = "features/sources"
"""Directory of the sources, which their paths are relative to."""
ONE_FILE = "the name of one Parquet file, such as flights.parquet; no directory, pattern or address"
_LONGEST = 255
"""Bytes of a name that every file system holds."""


def source_problems(files: Files, place: Place) -> Iterator[Problem]:
    """Everything wrong with one source beyond its schema; where its data is to come from is for plans to say."""
    read = files.read(place)
    if read is None or not isinstance(read.document, SourceDefinition):
        return
    source = read.document
    for field in ("timestamp", "event_id", "known_at"):
        column = getattr(source, field)
        if column is None:
            continue
        if column not in source.columns:
            yield read.problem(place.file, (field,), "the source has no such column", column, source.columns)
        elif field != "event_id" and source.columns[column] != "timestamp":
            kind = f"{column}: {source.columns[column]}"
            yield read.problem(place.file, (field,), "must be a timestamp column", kind, wanted="timestamp")
    for column in source.sizes:
        if column not in source.columns:
            yield read.problem(place.file, ("sizes", column), "the source has no such column", column, source.columns)
    wrong = wrong_path(files, source.path)
    if wrong is not None:
        shown = source.path if source.path and source.path.isprintable() else ascii(source.path)
        yield read.problem(place.file, ("path",), wrong, shown, wanted=ONE_FILE)
    if source.known_at and source.timestamp is None:
        yield read.problem(place.file, ("known_at",), "needs a timestamp too")


def wrong_path(files: Files, path: str) -> str | None:
    """Why a source's path names no Parquet file that git and DVC can hold; None where it does."""
    if "://" in path:
        return "is an address, and data is versioned with the repository: let a stage of the root dvc.yaml fetch it"
    if path.endswith("/") or any(name.startswith(f"{SOURCES}/{path}/") for name in files.ids):
        return "is a directory: let a stage of the root dvc.yaml write its rows into one file"
    if not path.endswith(".parquet"):
        return "does not name a Parquet file: let a stage of the root dvc.yaml convert the data"
    return _unholdable(path)


def _unholdable(path: str) -> str | None:
    """Why a name of a Parquet file is none that git, DVC and every file system take as it is written."""
    parts = path.split("/")
    found = {
        "must stay below the source file's directory": path.startswith(("/", "~")) or ".." in parts,
        "has a character that cannot be seen": not path.isprintable() or any(part != part.strip() for part in parts),
        "is a pattern, and none is expanded: let a stage write all rows into one file": not {*"*?"}.isdisjoint(path),
        "is not written plainly: names with / between them": "\\" in path or posixpath.normpath(path) != path,
        "has ${, which DVC takes for a template": "${" in path,
        "has a name that git or a file system refuses": any(map(_is_refused, parts)),
    }
    return next((message for message, is_so in found.items() if is_so), None)


def _is_refused(name: str) -> bool:
    return name.casefold() == ".git" or len(name.encode(errors="replace")) > _LONGEST
