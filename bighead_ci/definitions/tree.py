"""A directory of the machine seen as a tree of files, with the ids that git would give them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bighead_ci.ports.tree import Tree

IGNORED = frozenset({".git", ".venv", ".dvc", "__pycache__", "node_modules", "out"})
"""Directories that are never authored: caches, environments and stage outputs."""


class DirectoryTree:
    """The files under a directory as they are now. Files are read and hashed only when asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> Mapping[str, str]:
        """Every path → git's blob id (SHA-1), which is computed at look-up."""
        return _LazyIds(self.path, sorted(self._walk()))

    def read(self, path: str) -> bytes:
        """One file's bytes."""
        try:
            return (self.path / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise KeyError(path) from error

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        """Paths under any of the prefixes whose content contains the text, sorted."""
        wanted, needle = tuple(prefixes), text.encode()
        return sorted(path for path in self._walk() if path.startswith(wanted) and needle in self.read(path))

    def _walk(self) -> Iterator[str]:
        for folder, names, files in os.walk(self.path):
            names[:] = sorted(name for name in names if name not in IGNORED)
            prefix = Path(folder).relative_to(self.path).as_posix()
            yield from (name if prefix == "." else f"{prefix}/{name}" for name in files)


class _LazyIds(Mapping[str, str]):
    def __init__(self, root: Path, paths: list[str]) -> None:
        self._root = root
        self._ids: dict[str, str | None] = dict.fromkeys(paths)

    def __getitem__(self, path: str) -> str:
        known = self._ids[path]
        if known is None:
            known = self._ids[path] = blob_id((self._root / path).read_bytes())
        return known

    def __contains__(self, path: object) -> bool:
        return path in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def blob_id(data: bytes) -> str:
    """The id git gives a file of that content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class OverlaidTree:
    """A tree with some files put on top: what a directory would be once they are written."""

    def __init__(self, below: Tree, files: Mapping[str, bytes]) -> None:
        self.below = below
        self.on_top = files

    def files(self) -> Mapping[str, str]:
        """Every path → git's blob id."""
        return {**self.below.files(), **{path: blob_id(data) for path, data in self.on_top.items()}}

    def read(self, path: str) -> bytes:
        """One file's bytes."""
        return self.on_top[path] if path in self.on_top else self.below.read(path)

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        """Paths under any of the prefixes whose content contains the text, sorted."""
        wanted, needle = tuple(prefixes), text.encode()
        above = {path for path, data in self.on_top.items() if path.startswith(wanted) and needle in data}
        below = set(self.below.containing(text, wanted)) - self.on_top.keys()
        return sorted(above | below)
