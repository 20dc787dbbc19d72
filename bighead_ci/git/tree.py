"""The files of one commit, read without a work tree."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bighead_ci.git.process import Git

READS_BEFORE_LISTING = 100
SYMBOLIC_LINK = "120000"
"""The mode of one in git's listing."""


class GitTree:
    """Implements `ports.tree.Tree` on a commit or tree id.

    A symbolic link is a file whose content is its target (nothing follows it); submodules are left out.
    """

    def __init__(self, git: Git, commit: str) -> None:
        self._git = git
        self.commit = commit
        self._reads = 0

    def files(self) -> Mapping[str, str]:
        """Every path → git's blob id; listed once."""
        return self._files

    def links(self) -> frozenset[str]:
        """Paths that are symbolic links."""
        return self._listing[1]

    @property
    def _files(self) -> Mapping[str, str]:
        return self._listing[0]

    @functools.cached_property
    def _listing(self) -> tuple[Mapping[str, str], frozenset[str]]:
        listed = os.fsdecode(self._git.run("ls-tree", "-r", "-z", "--full-tree", self.commit).stdout)
        files, links = {}, set()
        for entry in listed.split("\0")[:-1]:
            about, path = entry.split("\t", 1)
            mode, kind, identity = about.split(" ")
            if kind == "blob":
                files[path] = identity
            if mode == SYMBOLIC_LINK:
                links.add(path)
        return MappingProxyType(files), frozenset(links)

    def read(self, path: str) -> bytes:
        """One file's bytes.

        Raises:
            KeyError: there is no such file.
        """
        self._reads += 1
        # By path git walks directories, some 0.2 ms; by id 15 µs, but ids need the whole listing once. A name with a
        # line break would break cat-file's line protocol, so it always goes by id.
        by_id = self._reads > READS_BEFORE_LISTING or "_listing" in vars(self) or "\n" in path or not path
        named = self.files()[path] if by_id else f"{self.commit}:{path}"
        content = self._git.objects.read(named)
        if content is None:
            raise KeyError(path)
        return content

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        """Paths under any of the prefixes whose content contains the text, sorted."""
        wanted = [f":(top){_without_wildcards(prefix)}*" for prefix in prefixes]
        if not wanted:
            return []
        # git greps line by line: look for the longest line of the text, then look closer.
        lines = text.split("\n")
        arguments = [
            "grep",
            "-l",
            "-F",
            "-z",
            "--no-color",
            "--no-textconv",
            "-e",
            max(lines, key=len),
            self.commit,
            "--",
            *wanted,
        ]
        answer = os.fsdecode(self._git.run(*arguments, allowed=(0, 1)).stdout)
        found = sorted(entry.split(":", 1)[1] for entry in answer.split("\0")[:-1])
        return found if len(lines) == 1 else [path for path in found if text.encode() in self.read(path)]


def _without_wildcards(prefix: str) -> str:
    return re.sub(r"([*?\[\\])", r"\\\1", prefix)
