"""A process that ends when the one that started it does, even if that was killed; on Linux alone.

`process_tree` has the same for commands: it is run by its path, which would put all of the engine into images.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_DEATH_SIGNAL = 1
"""Of prctl(2)."""


def end_with_parent() -> None:
    """From here on the kernel kills this process once its parent is gone, whatever it is doing then."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl: {os.strerror(error)}")
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)
