"""Writes commits into an object database, without index, work tree or ref."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from bighead_ci.errors import BugError, InputError, Problem
from bighead_ci.git.process import Git

SCRATCH = "refs/bighead/scratch"
"""What fast-import is told to build; it is reset before the end, so the ref never comes to exist."""


def write_commit(
    git: Git,
    parents: Sequence[str],
    changes: Mapping[str, bytes | None],
    message: str,
    author: str,
    *,
    at: datetime,
    tree: str | None = None,
) -> str:
    """Write one commit and return its id; no ref points to it yet.

    Args:
        git: The repository.
        parents: First parent first; empty for a root commit.
        changes: Content by path, None deletes; applied to the first parent's files.
        message: Kept as it is, but for a line break at the end.
        author: `Name` or `Name <email>`; also the committer.
        at: Author and committer date.
        tree: Start from this tree instead of the first parent's.

    Raises:
        InputError: a path or the author cannot be written in git; all problems at once.
    """
    who = f"{signature(author)} {int(at.timestamp())} +0000".encode()
    _check_paths(changes)
    text = _encoded(message if message.endswith("\n") else message + "\n", "commit message")
    stream = [b"commit %s\nmark :1\n" % SCRATCH.encode(), b"author %s\ncommitter %s\n" % (who, who), _data(text)]
    stream += [b"%s %s\n" % (word, parent.encode()) for word, parent in zip(_words(parents), parents, strict=True)]
    if tree is not None:
        stream.append(b'M 040000 %s ""\n' % tree.encode())
    # Deletions first: a file may make room for a directory of its name.
    stream += [b"D %s\n" % _quoted(path) for path, content in changes.items() if content is None]
    for path, content in changes.items():
        if content is not None:
            stream += [b"M 100644 inline %s\n" % _quoted(path), _data(content)]
    zero = "0" * len(parents[0]) if parents else "0" * 40
    stream.append(b"reset %s\nfrom %s\n\nget-mark :1\ndone\n" % (SCRATCH.encode(), zero.encode()))
    done = git.run("fast-import", "--quiet", "--done", "--date-format=raw", stdin=b"".join(stream))
    identity = done.stdout.decode().strip()
    if not identity:
        raise BugError("git fast-import gave no commit id")
    return identity


def signature(author: str) -> str:
    """`Name <email>` for a commit; a bare name gets an address that can never receive mail.

    Raises:
        InputError: no name, or characters that git keeps for itself.
    """
    found = re.fullmatch(r"(?P<name>[^<>\n\0]*?)\s*(?:<(?P<email>[^<>\s\0]+)>)?", author.strip())
    if found is None or not found["name"]:
        raise InputError(f"author {author!r}: write a name, or `Name <email>`")
    local = re.sub(r"[^\w.+-]+", ".", found["name"]).strip(".") or "unknown"
    text = f"{found['name']} <{found['email'] or f'{local}@bighead.invalid'}>"
    _encoded(text, "author")
    return text


def _words(parents: Sequence[str]) -> list[bytes]:
    return [b"from" if position == 0 else b"merge" for position in range(len(parents))]


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it: in C quotes, which any byte survives."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"%s"' % escaped.encode("utf-8", "surrogateescape")


def _encoded(text: str, what: str) -> bytes:
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what}: not valid Unicode at character {error.start}") from error
    if b"\0" in encoded:
        raise InputError(f"{what}: must not contain a NUL character")
    return encoded


def _check_paths(changes: Mapping[str, bytes | None]) -> None:
    problems = []
    for path in changes:
        parts = path.split("/")
        if "\0" in path or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
            problems.append(
                Problem(
                    file=repr(path),
                    message="cannot be a file of a repository",
                    allowed="relative, with `/`, no `..` or `.git`",
                )
            )
    if problems:
        raise InputError(problems)
