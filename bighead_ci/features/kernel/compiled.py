"""How the kernel's functions are compiled and where the machine code is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


@cache
def cache_directory(package: Path, chosen: str) -> str:
    """Where the machine code of a package's modules is kept; `chosen`: where the user wants all of Numba's.

    Numba notices a change of the module that a function is in, not of those whose functions it calls. So the directory
    is named by the content of all.
    """
    content = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(package.glob("*.py"))))
    return str(Path(chosen or package / "__pycache__") / f"kernel-{content.hexdigest()[:16]}")


def compiled(function: _F) -> _F:
    """Compile at the first call of each signature; where the directory cannot be written, Numba's own cache is used."""
    chosen = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_directory(Path(function.__code__.co_filename).parent, chosen)
    try:
        return cast(_F, numba.njit(cache=True, nogil=True)(function))
    finally:
        numba.config.CACHE_DIR = chosen
