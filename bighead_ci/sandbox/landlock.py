"""Landlock by its three system calls. Standard library only, see `confine`.

The package `landlock` knows files alone; connections (ABI 4), abstract sockets and signals (ABI 6) are needed too.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK, _MAKE_SOCK = 1 << 6, 1 << 11, 1 << 9
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_MOVES_SINCE, _TRUNCATE_SINCE, _CONNECTIONS_SINCE, _IOCTL_SINCE = 2, 3, 4, 5
SIGNALS_SINCE = 6
"""From this ABI on Landlock keeps signals and abstract sockets within."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version of Landlock that this kernel has; 0 without it."""
    return max(0, int(_LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)))


def restrict(reads: Iterable[str], writes: Iterable[str], devices: Iterable[str], *, network: bool) -> None:
    """Keep this process, and all that it starts, to these files for good; paths that do not exist are left out.

    Raises:
        OSError: the kernel refuses.
    """
    version = abi()
    handled = (1 << 13) - 1
    handled |= (1 << 13) if version >= _MOVES_SINCE else 0
    handled |= _TRUNCATE if version >= _TRUNCATE_SINCE else 0
    handled |= _IOCTL if version >= _IOCTL_SINCE else 0
    connections = 3 if version >= _CONNECTIONS_SINCE and not network else 0
    scoped = 3 if version >= SIGNALS_SINCE else 0
    # Older kernels take a longer structure whose rest is zero.
    attributes = struct.pack("QQQ", handled, connections, scoped)
    ruleset = _call(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    write = handled & ~(_MAKE_CHAR | _MAKE_BLOCK | _MAKE_SOCK | _IOCTL)
    for paths, rights in ((reads, _READ), (writes, write), (devices, _READ_FILE | _WRITE_FILE | _TRUNCATE)):
        for path in paths:
            _allow(ruleset, path, rights & handled)
    _call(_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        _call(_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    answer = int(_LIBC.syscall(number, *arguments))
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return answer
