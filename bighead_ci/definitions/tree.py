"""A directory of the machine seen as a tree of files, with the ids that git would give them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path

from bighead_ci.errors import InputError, Problem
from bighead_ci.ports.tree import Tree

IGNORED = frozenset({".git", ".venv", ".dvc", ".bighead", "__pycache__", "node_modules", "out"})
"""Directories that are never authored: caches, environments and stage outputs. What a commit has in one is unread."""


class DirectoryTree:
    """The files under a directory as they are now, read and hashed only when asked for.

    As in git: a symbolic link is a file whose content is its target (nothing follows it); pipes, sockets and devices
    are not there.

    Args:
        path: The directory.
        only: Paths that count, if not all that there are do: those that git would take.
    """

    def __init__(self, path: Path, only: Container[str] | None = None) -> None:
        self.path = path
        self._only = only

    def files(self) -> Mapping[str, str]:
        """Every path → git's blob id (SHA-1), which is computed at look-up."""
        return _LazyIds(self, sorted(self._walk()))

    def links(self) -> frozenset[str]:
        """Paths that are symbolic links."""
        return frozenset(path for path, is_link in self._walk().items() if is_link)

    def read(self, path: str) -> bytes:
        """One file's bytes.

        Raises:
            KeyError: there is no such file.
            InputError: it is there and cannot be read.
        """
        if not self._counts(path):
            raise KeyError(path)
        file = self.path / path
        try:
            return os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise KeyError(path) from error
        except OSError as error:
            raise InputError([Problem(file=path, message=f"cannot be read: {error.strerror}")]) from error

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        """Paths under any of the prefixes whose content contains the text, sorted; links are not looked into."""
        wanted, needle = tuple(prefixes), text.encode()
        files = (path for path, is_link in self._walk().items() if not is_link and path.startswith(wanted))
        return sorted(path for path in files if needle in self.read(path))

    def _walk(self, folder: str = "") -> dict[str, bool]:
        """Every path → whether it is a symbolic link."""
        try:
            entries = list(os.scandir(self.path / folder))
        except FileNotFoundError:
            return {}  # removed meanwhile
        except OSError as error:
            raise InputError([Problem(file=folder, message=f"cannot be read: {error.strerror}")]) from error
        found: dict[str, bool] = {}
        for entry in entries:
            path = f"{folder}{entry.name}"
            if entry.is_symlink() or entry.is_file(follow_symlinks=False):
                if self._counts(path):
                    found[path] = entry.is_symlink()
            elif entry.is_dir(follow_symlinks=False) and entry.name not in IGNORED:
                found |= self._walk(f"{path}/")
        return found

    def _counts(self, path: str) -> bool:
        return self._only is None or path in self._only


class _LazyIds(Mapping[str, str]):
    def __init__(self, tree: DirectoryTree, paths: list[str]) -> None:
        self._tree = tree
        self._ids: dict[str, str | None] = dict.fromkeys(paths)

    def __getitem__(self, path: str) -> str:
        known = self._ids[path]
        if known is None:
            known = self._ids[path] = blob_id(self._tree.read(path))
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


class FixedTree:
    """Files as they were when they were read: what happens to them afterwards is not in it.

    Args:
        tree: What to read.
        wanted: Whether a path is wanted.
    """

    def __init__(self, tree: Tree, wanted: Callable[[str], bool]) -> None:
        self._content = {path: tree.read(path) for path in sorted(tree.files()) if wanted(path)}
        self._ids = {path: blob_id(data) for path, data in self._content.items()}
        self._links = frozenset(tree.links()) & self._content.keys()

    def files(self) -> Mapping[str, str]:
        """Every path → git's blob id."""
        return self._ids

    def links(self) -> frozenset[str]:
        """Paths that are symbolic links."""
        return self._links

    def read(self, path: str) -> bytes:
        """One file's bytes."""
        return self._content[path]

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        """Paths under any of the prefixes whose content contains the text, sorted; links are not looked into."""
        wanted, needle = tuple(prefixes), text.encode()
        files = ((path, data) for path, data in self._content.items() if path not in self._links)
        return sorted(path for path, data in files if path.startswith(wanted) and needle in data)


class OverlaidTree:
    """A tree with some files put on top, None: taken away; what a directory would be once they are written."""

    def __init__(self, below: Tree, files: Mapping[str, bytes | None]) -> None:
        self.below = below
        self.on_top = files

    def files(self) -> Mapping[str, str]:
        """Every path → git's blob id."""
        kept = {path: identity for path, identity in self.below.files().items() if path not in self.on_top}
        return kept | {path: blob_id(data) for path, data in self.on_top.items() if data is not None}

    def links(self) -> frozenset[str]:
        """Paths that are symbolic links; what is put on top is none."""
        return frozenset(self.below.links()) - self.on_top.keys()

    def read(self, path: str) -> bytes:
        """One file's bytes."""
        if path not in self.on_top:
            return self.below.read(path)
        data = self.on_top[path]
        if data is None:
            raise KeyError(path)
        return data

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        """Paths under any of the prefixes whose content contains the text, sorted."""
        wanted, needle = tuple(prefixes), text.encode()
        above = {path for path, data in self.on_top.items() if data and path.startswith(wanted) and needle in data}
        below = set(self.below.containing(text, wanted)) - self.on_top.keys()
        return sorted(above | below)
