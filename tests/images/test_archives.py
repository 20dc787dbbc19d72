"""Archives that become layers."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from bighead_ci.images.archives import Entry, Link, write_archive


def test_an_archive_is_a_function_of_what_it_holds(tmp_path: Path) -> None:
    """Whenever, by whomever and in whatever order it is written, and whatever the files' own times and rights are."""
    written = []
    for number in (1, 2):
        program, data = tmp_path / f"program-{number}", tmp_path / f"data-{number}"
        program.write_bytes(b"#!/bin/sh\n")
        data.write_bytes(b"rows")
        program.chmod(0o700 if number == 1 else 0o775)
        data.chmod(0o600 if number == 1 else 0o664)
        os.utime(data, (number * 10**9, number * 10**9))
        entries: dict[str, Entry] = {
            "opt/a/data": data,
            "opt/a/program": program,
            "opt/link": Link("a/data"),
            "opt/text": b"text",
        }
        if number == 2:
            entries = dict(reversed(entries.items()))
        write_archive(tmp_path / f"{number}.tar", entries)
        written.append((tmp_path / f"{number}.tar").read_bytes())
    assert written[0] == written[1]


def test_an_archive_has_every_directory_and_is_of_root_and_1970(tmp_path: Path) -> None:
    """Or whoever unpacks it would make directories with the time of then."""
    write_archive(tmp_path / "one.tar", {"opt/bighead/model/model.py": b"x = 1\n"})
    with tarfile.open(tmp_path / "one.tar") as archive:
        entries = archive.getmembers()
    assert [one.name for one in entries] == ["opt", "opt/bighead", "opt/bighead/model", "opt/bighead/model/model.py"]
    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in entries} == {(0, 0, 0, "", "")}
    assert [oct(one.mode) for one in entries] == ["0o755", "0o755", "0o755", "0o644"]
