"""What starts a confined process: takes from itself what the command shall not have, then becomes the command.

Runs as a process of its own with the standard library alone (`python -I -S`): nothing of an environment, a checkout or
the command is imported before the doors are shut. What it is to do comes by its standard input, see `Order`: arguments
of a process are for everybody to see, and an order has the command's variables.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn, TypedDict

from bighead_ci.process_tree import attend, prctl
from bighead_ci.sandbox import landlock

_SET_SECCOMP, _DROP_BOUNDING, _SET_NO_NEW_PRIVILEGES = 22, 24, 38
_FILTER_MODE = 2
_SOME_CAPABILITY_BEYOND_ALL = 64
_LENGTH = 10
"""Digits."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_LINUX = sys.platform == "linux"


class Paths(TypedDict):
    """What Landlock leaves of the file system."""

    reads: list[str]
    writes: list[str]
    devices: list[str]


class Order(TypedDict):
    """What is to be started, and how it is held."""

    command: list[str]
    directory: str
    variables: dict[str, str]
    file_bytes: int
    processes: int | None
    """None: the system does not count those of this user."""
    landlock: Paths | None
    """None: something that the command starts builds the walls."""
    seccomp: str | None
    """A filter in hexadecimal."""
    network: bool
    standard_input: bool
    """Whether the command reads what follows the order; else it reads nothing."""


def packed(order: Mapping[str, Any]) -> bytes:
    """What `unpacked` reads: the length, then JSON."""
    content = json.dumps(order).encode()
    return b"%0*d" % (_LENGTH, len(content)) + content


def unpacked() -> Any:
    """An order from standard input, and not a byte of what follows it.

    Raises:
        EOFError: nobody gave one.
    """
    return json.loads(_exactly(int(_exactly(_LENGTH))))


def main() -> NoReturn:
    """Start it, wait for its end, end all that it left behind."""
    order: Order = unpacked()
    attend(lambda: become(order))


def become(order: Order) -> NoReturn:
    """Shut the doors, then be the command."""
    try:
        # Python ignores both, and what is ignored stays so: the command would be told of neither.
        for told in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(told, signal.SIG_DFL)
        _shut(order)
        os.execvpe(order["command"][0], order["command"], order["variables"])  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"the sandbox could not start {order['command'][0]}: {error}\n")
    os._exit(126)


def _exactly(size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = os.read(0, size - len(found))
        if not piece:
            raise EOFError("no order")
        found += piece
    return found


def _shut(order: Order) -> None:
    if not order["standard_input"]:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, order["file_bytes"])
    if order["processes"] is not None:
        _limit(resource.RLIMIT_NPROC, order["processes"])
    if _LINUX:  # where memory is short, this one goes first
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib is not worth 5 ms
            file.write("1000")
    os.chdir(order["directory"])
    paths, program = order["landlock"], order["seccomp"]
    if paths is not None:
        for capability in range(_SOME_CAPABILITY_BEYOND_ALL):
            _LIBC.prctl(_DROP_BOUNDING, capability, 0, 0, 0)
        prctl(_SET_NO_NEW_PRIVILEGES, 1)
        own = [f"/proc/{os.getpid()}"]
        landlock.restrict([*paths["reads"], *own], paths["writes"], paths["devices"], network=order["network"])
    if program is not None:
        prctl(_SET_NO_NEW_PRIVILEGES, 1)
        _set_filter(bytes.fromhex(program))


def _limit(what: int, wanted: int) -> None:
    """Never above what this process has itself: nobody may raise that."""
    _, most = resource.getrlimit(what)
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(what, (limit, limit))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def _set_filter(code: bytes) -> None:
    program = _Program(len(code) // 8, code)
    prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))
