"""Archives that are a function of what they hold: sorted, of 1970, owned by root. They become layers as they are."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bighead_ci.documents.base import replacing

_DIRECTORY_MODE, _FILE_MODE, _PROGRAM_MODE = 0o755, 0o644, 0o755
_USER_EXECUTES = 0o100


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    to: str


Entry = bytes | Path | Link
"""Content, a file that has it and may be executable, or a link."""


def write_archive(path: Path, entries: Mapping[str, Entry]) -> None:
    """Write a tar archive with these files and every directory above them.

    Args:
        path: Where; a reader sees nothing or all of it.
        entries: Path in the archive, relative → what is there.
    """
    directories = {parent.as_posix() for name in entries for parent in PurePosixPath(name).parents} - {"."}
    with replacing(path) as beside, tarfile.open(beside, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(directories | entries.keys()):
            _add(archive, name, entries.get(name))


def _add(archive: tarfile.TarFile, name: str, entry: Entry | None) -> None:
    about = tarfile.TarInfo(name)  # of 1970, and root's
    about.mode = _FILE_MODE
    match entry:
        case None:
            about.type, about.mode = tarfile.DIRTYPE, _DIRECTORY_MODE
            archive.addfile(about)
        case Link(to):
            about.type, about.linkname, about.mode = tarfile.SYMTYPE, to, 0o777
            archive.addfile(about)
        case bytes():
            about.size = len(entry)
            archive.addfile(about, io.BytesIO(entry))
        case Path():
            status = entry.stat()
            about.size = status.st_size
            about.mode = _PROGRAM_MODE if status.st_mode & _USER_EXECUTES else _FILE_MODE
            with entry.open("rb") as content:
                archive.addfile(about, content)
