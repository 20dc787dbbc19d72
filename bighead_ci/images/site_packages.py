"""Unpacks what a lock says into a virtual environment for another machine, and archives it. Runs none of it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from uv import find_uv_bin

from bighead_ci.errors import InputError
from bighead_ci.images.archives import Entry, Link, write_archive
from bighead_ci.images.bases import BaseFacts
from bighead_ci.images.python_environments import run_installer
from bighead_ci.ports.progress import Progress

FORMAT = 1
"""Of the archives; another one where the same lock gives other bytes."""


def archive_environment(name: str, lock: bytes, facts: BaseFacts, root: str, archive: Path, progress: Progress) -> None:
    """Write the archive of a virtual environment that has what a lock says, for a base.

    uv takes the wheels that fit the base, whatever machine this is, checks every hash and unpacks them: nothing is
    compiled and nothing of them is started, so neither here nor in a layer is there anything but what the lock names.

    Args:
        name: How messages call the lock.
        lock: Its content.
        facts: Of the base.
        root: The environment's directory in the image, without the first slash.
        archive: Where to write.
        progress: Gets the installer's lines.

    Raises:
        InputError: the lock cannot be installed on the base; carries the installer's own words.
        RetryError: the package index does not answer, or the disk is full.
    """
    with TemporaryDirectory(prefix="bighead-environment-") as made:
        directory, file = Path(made) / "site-packages", Path(made) / "lock.txt"
        file.write_bytes(lock)
        command = [
            find_uv_bin(),
            "pip",
            "install",
            "--quiet",
            "--target",
            str(directory),
            "--python-version",
            facts.python,
        ]
        command += ["--python-platform", facts.platform, "--require-hashes", "--no-build", "-r", str(file)]
        try:
            run_installer(command, name, progress)
        except InputError as error:
            where = f"Python {facts.python} on {facts.platform}"
            raise InputError(
                f"{error}\nThe base of the image is {where}: the lock must have a wheel for that"
            ) from error
        write_archive(archive, _entries(directory, facts, PurePosixPath(root)))


def _entries(directory: Path, facts: BaseFacts, root: PurePosixPath) -> dict[str, Entry]:
    packages = root / "lib" / f"python{facts.python}" / "site-packages"
    home = PurePosixPath(facts.executable).parent
    found: dict[str, Entry] = {
        str(root / "bin" / "python"): Link(facts.executable),
        str(root / "pyvenv.cfg"): f"home = {home}\ninclude-system-site-packages = false\n".encode(),
    }
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and not _left_out(relative):
            entry = _without_scripts(path.read_bytes()) if relative.name == "RECORD" else path
            found[str(packages / relative.as_posix())] = entry
    return found


def _left_out(path: Path) -> bool:
    """Scripts, which name an interpreter of this machine, and the installer's own lock."""
    return path.parts[0] in {"bin", ".lock"}


def _without_scripts(record: bytes) -> bytes:
    return re.sub(rb"(?m)^(\.\./)*bin/.*\n", b"", record)
