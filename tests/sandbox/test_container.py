"""What holds of containers beside what every sandbox promises: of engines elsewhere, and of what is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bighead_ci.documents.sandbox import Limits
from bighead_ci.errors import RetryError
from bighead_ci.ports.sandbox import Confined
from bighead_ci.processes import interpreter_paths
from bighead_ci.sandbox import container, empty_image, engine_client
from bighead_ci.sandbox.container import LABEL, ContainerSandbox, owner, remove_left_behind
from bighead_ci.sandbox.mounts import mounted_below, mounts

LIMITS = Limits(seconds=30, memory=10**9, processes=64, disk=50 * 10**6)
HERE = "context) echo unix:///run/docker.sock;;"
KNOWN = f"""{HERE} info) echo '{{"ServerVersion": "1", "MemoryLimit": true, "PidsLimit": true}}';;"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts a client of some other engine first on PATH; what is known of the real one is forgotten meanwhile."""

    def put(answers: str) -> None:
        program = tmp_path / "programs" / "docker"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\ncase "$1" in\n{answers}\nesac\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def forget() -> None:
        container.why_not.cache_clear()
        engine_client.about.cache_clear()

    forget()
    yield put
    forget()


@pytest.fixture
def engine() -> None:
    if reason := container.why_not():
        pytest.skip(f"NOT RUN, containers are not tried here: {reason}")


def made(*arguments: str) -> str:
    """A container that was made and not started; its id."""
    empty_image_there()
    command = ["docker", "create", "--network=none", *arguments, empty_image.NAME, "/nothing"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def empty_image_there() -> None:
    ContainerSandbox().run(Confined(["/usr/bin/env"], Path("/"), LIMITS), print)


def ids(*filters: str) -> list[str]:
    command = ["docker", "ps", "--all", "--quiet", "--no-trunc", *filters]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_an_engine_of_another_machine_is_not_asked(client: Callable[[str], None]) -> None:
    """Nothing is left there, and nobody waits for it."""
    client("context) echo ssh://somebody@elsewhere;; *) sleep 60;;")
    assert "reached by ssh://somebody@elsewhere" in container.why_not()


def test_an_engine_that_sees_other_files_is_no_sandbox(client: Callable[[str], None]) -> None:
    """As one in a virtual machine; that a path does not exist there says so."""
    client(f"{KNOWN} run) echo 'docker: Error: bind source path does not exist: /given.' >&2; exit 125;;")
    assert "does not see the files of this machine" in container.why_not()


def test_a_container_that_does_not_copy_a_file_is_no_sandbox(client: Callable[[str], None]) -> None:
    """Whatever its engine says of the container's end."""
    client(f"{KNOWN} run) echo started >&2;;")
    assert "does not read and write files of this machine" in container.why_not()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ("info) echo 'Cannot connect to the Docker daemon' >&2; exit 1;;", "Cannot connect to the Docker daemon"),
        ("""info) echo '{"ServerErrors": ["permission denied"]}';;""", "permission denied"),
        ("info) echo host: other;;", "no answer of a Docker engine"),
        ("info) sleep 60;;", "no answer within"),
        ("""info) echo '{"ServerVersion": "1", "PidsLimit": true}';;""", "holds no limits here: MemoryLimit"),
    ],
)
def test_an_engine_that_cannot_hold_a_command_says_why(
    client: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, answers: str, words: str
) -> None:
    """In bounded time, and the choice of a sandbox goes on."""
    monkeypatch.setattr(engine_client, "ANSWER_SECONDS", 1.0)
    client(f"{HERE} {answers}")
    assert words in container.why_not()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("docker: no space left on device", "docker starts no container: docker: no space left on device"),
        ("started\nunexpected EOF", "docker lost the container: unexpected EOF"),
    ],
)
def test_a_fault_of_the_engine_is_worth_another_try(
    client: Callable[[str], None], tmp_path: Path, said: str, words: str
) -> None:
    """The command is not blamed for it, whose exit code may be the same; nor is it taken for output of the command."""
    client(f"{KNOWN} run) printf '{said}' >&2; exit 125;;")
    lines: list[str] = []
    with pytest.raises(RetryError, match=words):
        ContainerSandbox().run(Confined(["/bin/true"], tmp_path, LIMITS), lines.append)
    assert lines == []


@pytest.mark.usefixtures("engine")
def test_containers_of_dead_processes_are_removed() -> None:
    """As of a client that was killed before it could start what it had made; those of the living stay."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        dead, living = made(f"--label={LABEL}={owner(process.pid)}"), made(f"--label={LABEL}={owner(os.getpid())}")
        process.kill()
    elsewhere = made(f'--label={LABEL}=["pid:[1]", {{"pid": 1, "started": 1.0}}]')
    try:
        remove_left_behind()
        left = ids()
        assert (dead in left, living in left, elsewhere in left) == (False, True, True)
    finally:
        engine_client.remove(living)
        engine_client.remove(elsewhere)


@pytest.mark.usefixtures("engine")
def test_an_image_that_was_removed_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the same one whoever makes it, so there is never a second."""
    monkeypatch.setattr(empty_image, "NAME", f"bighead-sandbox:{uuid4().hex}")
    try:
        ended = ContainerSandbox().run(Confined(["/usr/bin/env"], tmp_path, LIMITS, reads=[tmp_path]), print)
        assert ended.code == 0
        listed = ["docker", "image", "ls", "--quiet", "bighead-sandbox"]
        assert len({*subprocess.run(listed, capture_output=True, check=True).stdout.split()}) == 1
    finally:
        subprocess.run(["docker", "image", "rm", empty_image.NAME], capture_output=True, check=True)


@pytest.mark.usefixtures("engine")
def test_a_run_leaves_no_container_and_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor asks for a path to be written in some way: commas, quotes and blanks are part of a name."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    given, left = tmp_path / 'a,b "c" d', tmp_path / "left"
    given.mkdir()
    left.mkdir()
    (given / "rows").write_text("rows")
    command = ["/bin/cp", str(given / "rows"), str(left / "copy")]
    ended = ContainerSandbox().run(Confined(command, left, LIMITS, reads=[given], writes=[left]), print)
    assert (ended.code, (left / "copy").read_text()) == (0, "rows")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([given.name, "left"])
    assert ids(f"--filter=label={LABEL}={owner(os.getpid())}") == []


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("program", "reason", "code"),
    [
        # Thousands of processes leave whoever counts them little time.
        ("while True:\n try: os.fork()\n except OSError: pass", "processes", 137),
        # The first process would be theirs to end, and the reason theirs to give.
        ("for n in (2, 9, 15): os.kill(1, n)\nos.write(os.open('/proc/1/fd/2', os.O_WRONLY), b'memory')", "exited", 1),
        ("open('/sys/fs/cgroup/memory.events', 'w').write('oom_kill 1')", "exited", 1),
        ("sys.exit(125)", "exited", 125),
    ],
)
def test_a_command_neither_ends_nor_deceives_what_watches_it(
    program: str, reason: str, code: int, tmp_path: Path
) -> None:
    """It is of the same user, and beside it in the container."""
    python = Path(sys.executable)
    command = [str(python), "-I", "-S", "-c", f"import os, sys\n{program}"]
    confined = Confined(command, tmp_path, LIMITS, reads=interpreter_paths(python), writes=[tmp_path])
    ended = ContainerSandbox().run(confined, print)
    assert (ended.reason, ended.code) == (reason, code)


def test_what_is_mounted_below_a_path_is_found() -> None:
    """The engine would leave it writable."""
    table = "\n".join(
        f"{n} 1 0:{n} / {point} rw,relatime - ext4 /dev/vda rw"
        for n, point in enumerate(["/", "/data", "/data/own\\040disk", "/data/x/y", "/database"])
    )
    assert mounted_below(Path("/data"), table) == [Path("/data/own disk"), Path("/data/x/y")]


def test_one_path_is_mounted_once(tmp_path: Path) -> None:
    """Writable if it may be written, whoever else may read it; the engine refuses a second mount."""
    home = tmp_path / "home"
    home.mkdir()
    found = mounts([tmp_path, Path("/bin")], [tmp_path], home, network=True)
    targets = [mount.split("target=")[1].split(",")[0] for mount in found]
    assert len(targets) == len({*targets})
    assert f"type=bind,source={tmp_path},target={tmp_path}" in found
