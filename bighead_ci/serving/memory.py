"""What memory a process takes, and a bound to what it may take at once. Linux; elsewhere nothing is known or bound."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20
JUMP = 2
"""Beyond how many times its limit a process is given no more memory, if it gets there before it is replaced."""
_LINUX = sys.platform == "linux"


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of some processes; of one that is gone, none."""
    return sum(_resident(pid) for pid in pids)


def shown(size: int) -> str:
    """`512 MiB`."""
    return f"{size / MIB:,.0f} MiB"


def bound_data(limit: int) -> None:
    """From here on this process's own memory may grow by what is missing to `JUMP` times its limit, and no further.

    What asks for more gets a MemoryError, long before the machine has none left.
    """
    if not _LINUX:
        return
    room = max(JUMP * limit - _resident(os.getpid()), 0)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + room, hard))


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def _data_bytes() -> int:
    """Private writable memory of this process, touched or not: what RLIMIT_DATA bounds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:"))
