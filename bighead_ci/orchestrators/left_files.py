"""Files that untrusted commands left: whether each is a file of its own, and taking them to where they belong."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path


def files_below(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """(name, what is wrong with it) of a file, or of every file below a directory; "" where nothing is.

    What is no file of its own could change after it was looked at, or show what its author may not read.

    Args:
        path: Where it is.
        name: What it is called in the answer; those below a directory are `<name>/…`.

    Returns:
        Nothing where there is nothing.
    """
    try:
        about = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(about.st_mode):
        for entry in sorted(path.iterdir()):
            yield from files_below(entry, f"{name}/{entry.name}")
    elif not stat.S_ISREG(about.st_mode):
        yield name, "is no regular file (a link, a pipe, a socket or a device)"
    elif about.st_nlink != 1:
        yield name, "has another name elsewhere (a hard link)"
    else:
        yield name, ""


def move_over(path: Path, target: Path) -> None:
    """Move a file or a directory to a place, whatever is there."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def remove(path: Path) -> None:
    """Remove a file, a link or a directory with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
