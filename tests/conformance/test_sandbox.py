"""What every sandbox holds: real hostile programs against each one that this machine has."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from bighead_ci.documents.sandbox import Ended, Limits, SandboxKind
from bighead_ci.errors import InputError
from bighead_ci.ports.sandbox import Confined, Sandbox
from bighead_ci.process_tree import SIGNALLED
from bighead_ci.processes import interpreter_paths
from bighead_ci.sandbox import bubblewrap
from bighead_ci.sandbox.choice import limits_of, sandbox_of, why_not

LIMITS = Limits(seconds=30, memory=10**9, processes=64, disk=50 * 10**6)
WORD = "what-only-the-runner-knows"
PYTHON = Path(sys.executable)
TRIED = """
def tried(name, action):
    try:
        print(name, "DONE", action())
    except BaseException as error:
        print(name, "refused", type(error).__name__)
"""
FORK = "for _ in range({}):\n if os.fork() == 0:\n  {}\ntime.sleep(60)"
FILL = "for n in range(1000):\n open({} + f'/{{n}}', 'wb').write(bytes(1 << 20)); time.sleep(0.01)"


@dataclass
class World:
    """A machine with things that are none of the program's business."""

    sandbox: Sandbox
    given: Path
    """Readable."""
    left: Path
    """Writable."""
    state: Path
    """Neither."""
    lines: list[str] = field(default_factory=list)

    def run(
        self,
        program: str,
        *,
        limits: Limits = LIMITS,
        network: bool = False,
        output: Callable[[str], None] | None = None,
        **variables: str,
    ) -> Ended:
        """Run a Python program in the sandbox; `given`, `left`, `state`, `keys` and `tried` are there for it."""
        names = {
            "given": str(self.given),
            "left": str(self.left),
            "state": str(self.state),
            "keys": str(Path.home() / ".ssh"),
        }
        head = "import os, sys, socket, ctypes, signal, time\n"
        head += "\n".join(f"{name} = {value!r}" for name, value in names.items())
        command = [str(PYTHON), "-I", "-S", "-c", head + TRIED + textwrap.dedent(program)]
        confined = Confined(
            command,
            self.left,
            limits,
            reads=[self.given, *interpreter_paths(PYTHON)],
            writes=[self.left],
            variables=variables,
            network=network,
        )
        self.lines.clear()
        return self.sandbox.run(confined, output or self.lines.append)

    def done(self) -> list[str]:
        """What the program tried and was not refused."""
        return [line for line in self.lines if " DONE" in line]


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    kind: SandboxKind = getattr(request, "param", "kernel")
    if reason := why_not(kind):
        pytest.skip(f"NOT RUN, the sandbox {kind} is not held to its promises here: {reason}")
    given, left, state = (tmp_path / name for name in ("given", "left", "state"))
    for directory in (given, left, state):
        directory.mkdir()
    (given / "rows.txt").write_text("rows")
    (state / "record.json").write_text(WORD)
    return World(sandbox_of({"BIGHEAD_SANDBOX": kind}), given, left, state)


every_sandbox = pytest.mark.parametrize("world", ["bubblewrap", "docker", "kernel"], indirect=True)
everyone = pytest.mark.parametrize("world", ["bubblewrap", "docker", "kernel", "none"], indirect=True)


def picture(directory: Path) -> list[tuple[str, int, int, int, str]]:
    """All that can be seen of a directory."""
    found = []
    for path in sorted([directory, *directory.rglob("*")]):
        about = path.lstat()
        content = path.read_text() if path.is_file() else ""
        found.append((str(path), about.st_mode, about.st_mtime_ns, about.st_nlink, content))
    return found


@everyone
def test_a_command_reads_what_it_is_given_and_leaves_what_it_writes(world: World) -> None:
    """With the exit code and the words of the program."""
    ended = world.run(
        """
        open(left + "/result", "w").write(open(given + "/rows.txt").read() + os.environ["COLOUR"])
        os.mkdir(left + "/more"); os.rename(left + "/result", left + "/more/result")
        print("one"); sys.stderr.write("two\\n"); print(os.getcwd() == left); sys.exit(3)
    """,
        COLOUR=" blue",
    )
    assert (ended.code, ended.reason, sorted(world.lines)) == (3, "exited", ["True", "one", "two"])
    assert (world.left / "more" / "result").read_text() == "rows blue"


@everyone
def test_a_command_has_the_variables_that_it_is_given_and_no_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the runner's; HOME and TMPDIR are its own, and gone afterwards."""
    monkeypatch.setenv("TOKEN", WORD)
    world.run(
        """
        print(*sorted(set(os.environ) - {"PWD", "LC_CTYPE"}))
        open(os.environ["TMPDIR"] + "/x", "w").write("x"); print(os.environ["HOME"])
    """,
        COLOUR="blue",
    )
    assert world.lines[0] == "COLOUR HOME TMPDIR"
    assert not (Path(world.lines[1]) / "x").exists()


@everyone
def test_a_variable_stands_in_no_command_line(world: World) -> None:
    """Those are for everybody on the machine to read; a token may be among the variables."""
    seen: list[str] = []

    def look(_: str) -> None:
        seen.extend(" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))

    world.run("print('runs', flush=True); time.sleep(0.2)", output=look, TOKEN="-".join(WORD))
    assert [line for line in seen if str(world.left) in line]
    assert [line for line in seen if "-".join(WORD) in line] == []


@every_sandbox
def test_what_lies_outside_is_neither_read_nor_changed(world: World) -> None:
    """By no call that makes, changes, moves, links or removes; nor through a link that it makes itself."""
    before = picture(world.state), picture(world.given)
    world.run("""
        import shutil
        for place in (state, given):
            for name in os.listdir(place) if place == given else ("record.json",):
                file = place + "/" + name
                tried("write " + file, lambda: open(file, "w").write("x"))
                tried("append " + file, lambda: open(file, "a").write("x"))
                tried("remove " + file, lambda: os.remove(file))
                tried("rename " + file, lambda: os.rename(file, left + "/taken"))
                tried("link " + file, lambda: os.link(file, left + "/linked"))
                tried("truncate " + file, lambda: os.truncate(file, 0))
                tried("attribute " + file, lambda: os.setxattr(file, "user.x", b"x"))
                for change in (os.chmod, 0o777), (os.utime, (1, 1)), (os.chown, 1, 1):
                    try:
                        change[0](file, *change[1:])
                    except OSError:
                        pass
            tried("make " + place, lambda: open(place + "/new", "w"))
            tried("directory " + place, lambda: os.mkdir(place + "/newdir"))
            open(left + "/mine", "w").close()
            tried("replace " + place, lambda: os.rename(left + "/mine", place + "/y"))
        tried("read", lambda: open(state + "/record.json").read())
        tried("list", lambda: os.listdir(state))
        os.symlink(state, left + "/way")
        tried("read by link", lambda: open(left + "/way/record.json").read())
        tried("write by link", lambda: open(left + "/way/record.json", "w"))
        tried("read by /proc", lambda: open("/proc/self/root" + state + "/record.json").read())
        for place in ("/etc/shadow", keys, "/home", "/var", "/etc/ssl/private", "/srv", "/boot"):
            tried("look at " + place, lambda: os.listdir(place) if os.path.isdir(place) else open(place).read())
    """)
    assert world.done() == []
    assert len(world.lines) > 25, world.lines
    assert (picture(world.state), picture(world.given)) == before
    assert WORD not in "\n".join(world.lines)


@every_sandbox
def test_no_connection_leads_out(world: World, tmp_path: Path) -> None:
    """TCP and UDP to this machine and others, sockets with a path or an abstract name, and being called."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        abstract, named = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0{tmp_path}")
        named.bind(str(tmp_path / "named"))
        for one in (abstract, named):
            one.listen()
        for one in (tcp, udp, abstract, named):
            one.setblocking(False)
        world.run(f"""
            inet, unix = socket.AF_INET, socket.AF_UNIX
            tried("loopback", lambda: socket.create_connection(("127.0.0.1", {tcp.getsockname()[1]}), timeout=2))
            tried("elsewhere", lambda: socket.create_connection(("192.0.2.1", 80), timeout=2))
            tried("datagram elsewhere", lambda: socket.socket(inet, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
            tried("abstract", lambda: socket.socket(unix).connect("\\0{tmp_path}"))
            tried("named", lambda: socket.socket(unix).connect({str(tmp_path / "named")!r}))
            tried("raw", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
            try:
                socket.socket(inet, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {udp.getsockname()[1]}))
            except OSError:
                pass
            print("tried all")
        """)
        assert world.done() == []
        assert world.lines[-1] == "tried all"
        for one in (tcp, abstract, named):
            with pytest.raises(BlockingIOError):
                one.accept()
        with pytest.raises(BlockingIOError):
            udp.recv(1)
        abstract.close()
        named.close()


@every_sandbox
def test_the_network_is_there_for_a_command_that_may_have_it(world: World) -> None:
    """And nothing else with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        world.run(
            f"""
            socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=5).sendall(b"x")
            tried("read", lambda: open(state + "/record.json").read())
        """,
            network=True,
        )
        connection, _ = server.accept()
        assert connection.recv(1) == b"x"
        connection.close()
    assert world.done() == []


@every_sandbox
def test_other_processes_are_out_of_reach(world: World) -> None:
    """Neither their environment nor their memory is read, no signal reaches them, nobody is traced or limited."""
    with subprocess.Popen(["sleep", "60"], env={"TOKEN": WORD}) as victim:
        world.run(f"""
            for pid in ({victim.pid}, {os.getpid()}, os.getppid()):
                tried(f"environment {{pid}}", lambda: "{WORD}" in open(f"/proc/{{pid}}/environ").read() or 1 / 0)
                tried(f"memory {{pid}}", lambda: open(f"/proc/{{pid}}/mem", "rb").read(1))
            libc = ctypes.CDLL(None, use_errno=True)
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1):
                tried("signal", lambda: os.kill({victim.pid}, number))
            tried("attach", lambda: libc.ptrace(16, {victim.pid}, 0, 0) == 0 or 1 / 0)
            import resource
            tried("limit", lambda: resource.prlimit({victim.pid}, resource.RLIMIT_NOFILE, (3, 3)))
            tried("descriptor", lambda: libc.syscall(438, libc.syscall(434, {victim.pid}, 0), 0, 0) >= 0 or 1 / 0)
        """)
        process = psutil.Process(victim.pid)
        assert world.done() == []
        assert len(world.lines) == 12, world.lines
        assert (victim.poll(), process.status(), process.rlimit(psutil.RLIMIT_NOFILE)[0] > 3) == (
            None,
            "sleeping",
            True,
        )
        victim.kill()


@everyone
def test_nothing_that_a_command_starts_outlives_it(world: World) -> None:
    """A daemon in a session of its own, whose parents are gone, is dead when the command has ended."""
    beats = world.left / "beats"
    ended = world.run("""
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)
                for fd in (0, 1, 2):
                    os.close(fd)
                while True:
                    with open(left + "/beats", "a") as file:
                        file.write("x")
                    time.sleep(0.01)
            os._exit(0)
        while not os.path.exists(left + "/beats"):
            time.sleep(0.01)
    """)
    assert (ended.code, ended.reason) == (0, "exited")
    count = beats.stat().st_size
    time.sleep(0.3)
    assert beats.stat().st_size == count > 0


@everyone
def test_nothing_outlives_the_process_that_asked_for_it(world: World) -> None:
    """Also if that is killed, which nobody can handle; a daemon is no exception."""
    beats = world.left / "beats"
    command = ["/bin/sh", "-c", f"(setsid sh -c 'while :; do echo >>{beats}; sleep 0.02; done' &) ; exec sleep 60"]
    asks = f"""
from pathlib import Path
from bighead_ci.documents.sandbox import Limits
from bighead_ci.ports.sandbox import Confined
from bighead_ci.sandbox.choice import sandbox_of
left = Path({str(world.left)!r})
confined = Confined({command!r}, left, Limits.model_validate_json({LIMITS.model_dump_json()!r}), writes=[left])
sandbox_of({{"BIGHEAD_SANDBOX": {world.sandbox.kind!r}}}).run(confined, print)
"""
    # Nobody is left to remove its scratch directory.
    with subprocess.Popen([str(PYTHON), "-c", asks], env={**os.environ, "TMPDIR": str(world.left.parent)}) as process:
        while not beats.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    while True:  # to the test's own limit of time
        count = beats.stat().st_size
        time.sleep(0.5)
        if beats.stat().st_size == count:
            break


@everyone
@pytest.mark.parametrize(
    ("limit", "program"),
    [
        ("seconds", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass"),
        ("memory", "held = []\nwhile True: held.append(bytearray(os.urandom(1 << 20) * 16)); time.sleep(0.005)"),
        ("memory", FORK.format(8, "x = bytearray(b'x' * (80 << 20)); time.sleep(60)")),
        ("processes", FORK.format(100, "time.sleep(60)")),
        ("disk", FILL.format("left")),
        ("disk", FILL.format("os.environ['TMPDIR']")),
    ],
)
def test_limits_end_a_command_with_all_that_it_started(world: World, limit: str, program: str) -> None:
    """Which one it was is said."""
    limits = LIMITS.model_copy(update={"memory": 300 * 10**6} | ({"seconds": 1.5} if limit == "seconds" else {}))
    ended = world.run(program, limits=limits)
    assert (ended.limit, ended.code != 0) == (limit, True)
    alive = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert [line for line in alive if str(world.left) in line] == []


@everyone
def test_a_command_is_told_that_nobody_reads_on(world: World) -> None:
    """By the signal that ends programs which do not look: `yes | head` is over at once."""
    script = "(yes; echo $? >&2) | head -n 1"
    ended = world.sandbox.run(
        Confined(["/bin/sh", "-c", script], world.left, LIMITS, writes=[world.left]), world.lines.append
    )
    assert (ended.code, sorted(world.lines)) == (0, [str(SIGNALLED + signal.SIGPIPE), "y"])


@every_sandbox
def test_a_file_beyond_the_limit_cannot_be_written(world: World) -> None:
    """In one call, before anybody can look."""
    ended = world.run("""
        tried("large", lambda: os.posix_fallocate(os.open(left + "/large", os.O_RDWR | os.O_CREAT), 0, 10**9))
    """)
    assert (world.done(), ended.code) == ([], 0)
    assert (world.left / "large").stat().st_size <= LIMITS.disk


@every_sandbox
def test_no_privilege_is_had_or_won(world: World) -> None:
    """No capability, no mount, no namespace, no device, no use of programs that are set to another user, no keyring."""
    world.run("""
        import stat, subprocess
        libc = ctypes.CDLL(None, use_errno=True)
        def call(*arguments):
            answer = libc.syscall(*arguments)
            if answer < 0:
                raise OSError(ctypes.get_errno(), "no")
            return answer
        about = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        print(about["CapEff"], about["CapPrm"], about["CapBnd"], about["NoNewPrivs"], about["Seccomp"])
        tried("mount", lambda: libc.mount(b"none", left.encode(), b"tmpfs", 0, None) == 0 or 1 / 0)
        tried("user namespace", lambda: libc.unshare(0x10000000) == 0 or 1 / 0)
        tried("clone", lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0))
        tried("root", lambda: os.chroot(left))
        tried("device", lambda: os.mknod(left + "/disk", stat.S_IFBLK | 0o600, os.makedev(254, 0)))
        tried("keyring", lambda: call(248, b"user", b"x", b"x", 1, -4))
        tried("io_uring", lambda: call(425, 8, ctypes.create_string_buffer(120)))
        tried("bpf", lambda: call(321, 0, 0, 0))
        tried("hostname", lambda: socket.sethostname("mine"))
        tried("time", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
        tried("memory of the machine", lambda: open("/dev/mem", "rb"))
        tried("other table", lambda: call(0x40000000 + 39))
    """)
    assert world.lines[0].split() == ["0" * 16, "0" * 16, "0" * 16, "1", "2"]
    assert world.done() == []
    assert len(world.lines) == 13, world.lines


@everyone
def test_what_is_printed_is_cut_and_bounded(world: World) -> None:
    """A line without an end, and more output than anybody reads, take no memory here."""
    ended = world.run("""
        sys.stdout.write("x" * 10_000 + "\\n")
        for _ in range(40):
            sys.stdout.write(("y" * 999 + "\\n") * 1000)
    """)
    assert ended.code == 0
    assert max(map(len, world.lines)) <= 4000
    assert 10_000_000 < sum(map(len, world.lines)) < 17_000_000


def test_a_sandbox_that_was_asked_for_and_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why, and what to do; never something weaker in its place."""
    monkeypatch.setattr(bubblewrap, "why_not", lambda: "there is no bwrap on PATH")
    with pytest.raises(InputError, match="there is no bwrap on PATH"):
        sandbox_of({"BIGHEAD_SANDBOX": "bubblewrap"})
    with pytest.raises(InputError, match="must be one of auto, bubblewrap, docker, kernel, none; got 'podman'"):
        sandbox_of({"BIGHEAD_SANDBOX": "podman"})
    assert sandbox_of({}).kind != "bubblewrap"


def test_limits_are_words_of_one_variable() -> None:
    """What is not named keeps its default; what is no limit is named."""
    found = limits_of({"BIGHEAD_SANDBOX_LIMITS": "seconds=60 memory=2GB"})
    assert (found.seconds, found.memory, found.processes) == (60, 2 * 10**9, 512)
    with pytest.raises(InputError, match=r"'memory=2', 'cpu=3' is no limit"):
        limits_of({"BIGHEAD_SANDBOX_LIMITS": "memory=2 cpu=3"})
