"""A snapshot of the repository's files: one commit, or a directory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol


class Tree(Protocol):
    """Files by path relative to the repository, with `/`."""

    def files(self) -> Mapping[str, str]:
        """Every path → an id that is equal when the content is equal (git's blob id)."""

    def links(self) -> Collection[str]:
        """Paths that are symbolic links. Nothing follows one: its content is the name it points to."""

    def read(self, path: str) -> bytes:
        """One file's bytes.

        Raises:
            KeyError: there is no such file.
        """

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        """Paths under any of the prefixes whose content contains the text, sorted; links are not looked into."""
