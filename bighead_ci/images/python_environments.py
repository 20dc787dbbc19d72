"""Python environments made from locks, one a lock's content and Python version, shared by all that name it.

`<root>/<digest>-<python>/`: a virtual environment, `lock.txt` that it was made from, and `complete` once it is whole.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from filelock import FileLock
from uv import find_uv_bin

from bighead_ci.definitions.lock_file import Pin, read_pins
from bighead_ci.documents.base import digest_of_bytes
from bighead_ci.errors import BigheadError, InputError, RetryError
from bighead_ci.ports.progress import Progress
from bighead_ci.processes import INSTALLER_VARIABLES, kept_environment

COMPLETE = "complete"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_LATER = ("error sending request", "connection", "timed out", "No space left", "Temporary failure", "dns error")
"""Words of the installer that say that nothing is wrong with the lock."""


class PythonEnvironments:
    """Makes and finds environments in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def ensure(self, name: str, lock: bytes, progress: Progress) -> Path:
        """An interpreter that has what a lock says: the running one if it has, else that of an environment.

        Of several processes that want one environment, one makes it and the others wait. Environments cannot be moved,
        so it is made in place and marked at the end; what a killed process left is made anew.

        Args:
            name: How messages call the lock: `models/flight_delay/v2/training.lock`.
            lock: Its content.
            progress: Gets the installer's lines.

        Raises:
            InputError: the lock has problems, or cannot be installed; carries the installer's own words.
            RetryError: the package index does not answer, or the disk is full.
        """
        if found := self.find(name, lock):
            return found
        directory = self._directory(lock)
        directory.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(directory.with_name(f".{directory.name}.lock")):
            if not (directory / COMPLETE).is_file():
                missing = unsatisfied(_pins(name, lock))
                progress(f"{name}: making an environment, for this one differs in {_listed(missing)}")
                _create(name, lock, directory, progress)
        return _python(directory)

    def find(self, name: str, lock: bytes) -> Path | None:
        """The interpreter that `ensure` would answer with, if there is one.

        Raises:
            InputError: the lock has problems.
        """
        if not unsatisfied(_pins(name, lock)):
            return Path(sys.executable)
        directory = self._directory(lock)
        return _python(directory) if (directory / COMPLETE).is_file() and _python(directory).exists() else None

    def _directory(self, lock: bytes) -> Path:
        return self.root / f"{digest_of_bytes(lock).removeprefix('sha256:')[:32]}-{PYTHON}"


def unsatisfied(pins: Iterable[Pin]) -> list[str]:
    """Pins for this platform that the running interpreter does not meet: `numpy 2.4.6 (has 2.3.0)`."""
    missing = []
    for pin in pins:
        if not pin.is_for():
            continue
        try:
            installed = metadata.version(pin.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{pin.name} {pin.version} (not installed)")
            continue
        if installed != pin.version:
            missing.append(f"{pin.name} {pin.version} (has {installed})")
    return missing


def _pins(name: str, lock: bytes) -> list[Pin]:
    pins, problems = read_pins(name, lock)
    if problems:
        raise InputError(problems)
    return pins


def _create(name: str, lock: bytes, directory: Path, progress: Progress) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    uv = find_uv_bin()
    run_installer([uv, "venv", "--quiet", "--python", sys.executable, str(directory)], name, progress)
    file = directory / "lock.txt"
    file.write_bytes(lock)
    # Building a source distribution, and starting an interpreter that has the packages, would run their code here.
    install = [uv, "pip", "install", "--python", str(_python(directory)), "--require-hashes"]
    run_installer([*install, "--no-build", "-r", str(file)], name, progress)
    _compile(directory / "lib")
    (directory / COMPLETE).touch()


def _compile(directory: Path) -> None:
    """Compile what was installed, so that nothing does when it is first imported; never a reason to refuse a lock.

    Libraries carry files that their authors wrote for another Python, and import them there alone.
    """
    command = [sys.executable, "-P", "-m", "compileall", "-qq", "-j", "0", str(directory)]
    subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False)


def run_installer(command: list[str], name: str, progress: Progress) -> None:
    """Run uv where nobody's settings lie, with its own variables and no others of this process.

    Args:
        command: It with its arguments.
        name: How messages call what is installed.
        progress: Gets its lines.

    Raises:
        InputError: what is asked for cannot be installed; carries uv's own words.
        RetryError: the package index does not answer, or the disk is full.
    """
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd="/",  # where nobody's settings of uv lie
        env=kept_environment(*INSTALLER_VARIABLES, starting=("UV_",)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            said.append(line.rstrip())
            if not line.startswith((" + ", " - ", " ~ ")):
                progress(f"{name}: {line.rstrip()}")
    if process.returncode != 0:
        text = "\n".join(said)[-2000:]
        raise installer_error(f"{name}: cannot be installed: {text}")


def installer_error(text: str) -> BigheadError:
    """What the installer said, as the kind of error that it is: nothing is wrong with a lock if nobody answers."""
    kind = RetryError if any(word.lower() in text.lower() for word in _LATER) else InputError
    return kind(text)


def _python(directory: Path) -> Path:
    return directory / "bin" / "python"


def _listed(missing: list[str]) -> str:
    shown = ", ".join(missing[:3])
    return shown if len(missing) <= len(missing[:3]) else f"{shown} and {len(missing) - 3} more"
