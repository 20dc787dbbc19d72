"""Reads what `git log -z` prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from bighead_ci.ports.repository import Commit

LOG_FORMAT = "%H%x00%an%x00%ct%x00%P%x00%s"
_FIELDS = 5
_NO_CONTENT = ("160000",)
"""Modes of what is no file of this repository: a submodule's entry names a commit of another one."""

Logged = tuple[Commit, list[tuple[str, str | None, str | None]]]
"""A commit, and with `--raw --no-abbrev` its files: (path, content id before, content id after)."""


def read_log(output: bytes) -> Iterator[Logged]:
    """The commits of a log in `LOG_FORMAT`, in its order."""
    words = output.split(b"\0")
    position = 0
    while position + _FIELDS <= len(words):
        identity, author, at, parents, subject = (
            word.decode(errors="replace") for word in words[position : position + _FIELDS]
        )
        position += _FIELDS
        files = []
        # Behind each raw entry stands its path, whatever that looks like.
        while position + 1 < len(words) and words[position].lstrip(b"\n").startswith(b":"):
            files.append(_file(words[position].decode(), os.fsdecode(words[position + 1])))
            position += 2
        yield (
            Commit(
                id=identity,
                author=author,
                at=datetime.fromtimestamp(int(at), UTC),
                subject=subject,
                parents=parents.split(),
            ),
            files,
        )


def _file(entry: str, path: str) -> tuple[str, str | None, str | None]:
    mode_before, mode_after, before, after, _ = entry.lstrip("\n:").split(" ", 4)
    return path, _content(mode_before, before), _content(mode_after, after)


def _content(mode: str, identity: str) -> str | None:
    return None if mode in _NO_CONTENT or not identity.strip("0") else identity
