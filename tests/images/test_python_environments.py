"""Python environments made from locks, from a package index that is a directory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bighead_ci.errors import InputError
from bighead_ci.images.python_environments import PythonEnvironments
from bighead_ci.ports.progress import silent
from fakes.local_bench import satisfied_lock
from fakes.wheels import only_these, write_wheel

pytestmark = pytest.mark.e2e
NAME = "models/x/v1/training.lock"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A lock of one small distribution that only the directory has."""
    wheel = write_wheel(tmp_path / "wheels", "tiny-library", "1.5")
    only_these(wheel.parent, monkeypatch)
    return f"tiny-library==1.5 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n".encode()


def test_a_lock_that_the_running_interpreter_satisfies_makes_nothing(tmp_path: Path) -> None:
    """It is used as it is."""
    environments = PythonEnvironments(tmp_path / "made")
    assert environments.ensure(NAME, satisfied_lock().encode(), silent) == Path(sys.executable)
    assert not (tmp_path / "made").exists()


def test_an_environment_is_made_once_and_shared_by_its_lock(tmp_path: Path, lock: bytes) -> None:
    """It has what the lock says and nothing of the engine's own; the next asker waits for nothing."""
    environments, lines = PythonEnvironments(tmp_path / "made"), list[str]()
    assert environments.find(NAME, lock) is None
    python = environments.ensure(NAME, lock, lines.append)
    assert "differs in tiny-library 1.5 (not installed)" in lines[0]
    run = subprocess.run(
        [str(python), "-c", "import tiny_library, sys; print(tiny_library.ANSWER); import pydantic"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "42\n"
    assert "No module named 'pydantic'" in run.stderr
    again = list[str]()
    assert PythonEnvironments(tmp_path / "made").ensure("another.lock", lock, again.append) == python
    assert again == []


def test_what_a_killed_installation_left_is_made_anew(tmp_path: Path, lock: bytes) -> None:
    """Without the mark of a whole one it is not taken."""
    environments = PythonEnvironments(tmp_path / "made")
    python = environments.ensure(NAME, lock, silent)
    (python.parent.parent / "complete").unlink()
    (python.parent.parent / "lib").rename(tmp_path / "lost")
    assert environments.find(NAME, lock) is None
    assert environments.ensure(NAME, lock, silent) == python
    subprocess.run([str(python), "-c", "import tiny_library"], check=True)


def test_of_two_that_want_one_environment_one_makes_it(tmp_path: Path, lock: bytes) -> None:
    """The other waits, and both get it."""
    lines, found = list[str](), list[Path]()

    def ask() -> None:
        found.append(PythonEnvironments(tmp_path / "made").ensure(NAME, lock, lines.append))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found[0] == found[1]
    assert sum("making an environment" in line for line in lines) == 1


def test_a_lock_that_cannot_be_installed_carries_the_installers_words(tmp_path: Path, lock: bytes) -> None:
    """A wrong hash: the lock is named, and what uv says of it."""
    wrong = lock.split(b"sha256:")[0] + b"sha256:" + b"0" * 64 + b"\n"
    with pytest.raises(InputError, match=rf"{NAME}: cannot be installed: (?s:.*)[Hh]ash"):
        PythonEnvironments(tmp_path / "made").ensure(NAME, wrong, silent)


def test_a_library_with_a_file_for_another_python_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as torch's, which it imports there alone: that it cannot be compiled here is nobody's fault."""
    newer = {"broad_library_of_newer_syntax.py": "def f[T](a: T): ...\n$\n"}
    wheel = write_wheel(tmp_path / "wheels", "broad-library", "1.0", files=newer)
    only_these(wheel.parent, monkeypatch)
    lock = f"broad-library==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n".encode()
    python = PythonEnvironments(tmp_path / "made").ensure(NAME, lock, silent)
    subprocess.run([str(python), "-c", "import broad_library"], check=True)
