"""Environment variables that a variant's process is started with, whoever starts it."""

from __future__ import annotations


def serving_environment(scratch: str, bytecode: str) -> dict[str, str]:
    """Keeps libraries from writing elsewhere, from calling out, and from taking every processor.

    Args:
        scratch: A directory that it may fill.
        bytecode: One for what Python and Numba compile.
    """
    return {
        "TMPDIR": scratch,
        "PYTHONPYCACHEPREFIX": bytecode,
        "PYTHONUNBUFFERED": "1",
        "NUMBA_CACHE_DIR": f"{bytecode}/numba",
        "OMP_NUM_THREADS": "1",
        "BENTOML_HOME": f"{scratch}/bentoml",
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "1",
    }
