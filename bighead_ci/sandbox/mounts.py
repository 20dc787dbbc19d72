"""What of this machine is where in a container: values of `docker run --mount`."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

from bighead_ci.sandbox.system import PROCESSORS, outermost, system_paths

PRIVATE = "/tmp"  # noqa: S108 - inside it is the command's own
_ON_DISK = {"tmp": Path(PRIVATE), "shm": Path("/dev/shm")}  # noqa: S108 - likewise
"""Directories of the scratch directory and where they are: on the disk, where the limit counts them."""
_NAMES = Path("/etc/resolv.conf")


def mounts(reads: Sequence[Path], writes: Sequence[Path], home: Path, *, network: bool) -> list[str]:
    """The same view as bubblewrap gives: the system and `reads` read-only, `writes`, and scratch directories.

    Args:
        reads: Files and directories.
        writes: Directories.
        home: The scratch directory; gets what is needed there.
        network: Whether to show how other machines are found and trusted.
    """
    found: dict[Path, str] = {}
    shown = outermost(reads)
    for name, place in _ON_DISK.items():
        _make_places(home / name, place, [*shown, *writes])
        found[place] = _bound(home / name, place, read_only=False)
    table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    for path in (*map(Path, system_paths(network=network)), *shown):
        found[path] = _bound(path, path)
        # A mount is read-only by itself, not with what else is mounted below it.
        real = path.resolve()
        for below in mounted_below(real, table):
            if os.access(below, os.F_OK):
                found[path / below.relative_to(real)] = _bound(below, path / below.relative_to(real))
    found |= {path: _bound(path, path, read_only=False) for path in writes}
    # Of /sys the processors, and in /sys/fs the container's own control groups.
    found |= {path: f"type=tmpfs,target={path},readonly" for path in Path("/sys").iterdir() if path.name != "fs"}
    found |= {path: _bound(path, path) for path in map(Path, PROCESSORS) if path.exists()}
    if not network:  # the engine would put this machine's there
        nothing = home / "nothing"
        nothing.touch()
        found[_NAMES] = _bound(nothing, _NAMES)
    return list(found.values())


def mounted_below(path: Path, table: str) -> list[Path]:
    """What else is mounted below a path.

    Args:
        path: Absolute, without links.
        table: The text of /proc/self/mountinfo, where space, tab, line feed and backslash are written in octal.
    """
    words = [line.split(" ") for line in table.splitlines()]
    points = [Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), one[4])) for one in words]
    return sorted({point for point in points if point != path and point.is_relative_to(path)})


def _make_places(directory: Path, place: Path, paths: Sequence[Path]) -> None:
    """Make a directory, and in it where paths are mounted: the engine makes them as root, and then they stay."""
    directory.mkdir()
    for path in paths:
        if not path.is_relative_to(place):
            continue
        target = directory / path.relative_to(place)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()


def _bound(source: Path, target: Path, *, read_only: bool = True) -> str:
    """A value of `--mount` is a line of CSV."""
    line = io.StringIO()
    fields = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if read_only else [])]
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
