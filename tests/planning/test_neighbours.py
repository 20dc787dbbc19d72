"""Modules beside model.py that are called as a library is."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.versions import version_problems
from fakes.engine import MemoryEngine
from fakes.memory_tree import LOCK, MemoryTree, repository

FOLDER = "models/late/v1"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("statistics.py", "statistics.py: has the name of a library (of Python itself), which hides it"),
        ("json/deep.py", "json/: has the name of a library (of Python itself)"),
        ("numpy.py", "numpy.py: has the name of a library (numpy of training.lock)"),
        ("lone_wolf.py", "lone_wolf.py: has the name of a library (lone-wolf of training.lock)"),
        ("sklearn/__init__.py", "sklearn/: has the name of a library (scikit-learn of training.lock)"),
        ("xgboost.py", "xgboost.py: has the name of a library (xgboost-cpu of training.lock)"),
        ("shares.py", ""),
        ("words/statistics.py", ""),
        ("words/deep/json.py", ""),
        ("duckdb.py", ""),
        ("statistics.txt", ""),
    ],
)
def test_a_module_called_as_a_library_of_the_version_is_named(file: str, said: str) -> None:
    """Python's own, and what its locks have; a library that only the engine has is none of the version's."""
    pins = [f"{name}==1.0 \\\n    --hash=sha256:{'0' * 64}\n" for name in ("scikit-learn", "lone-wolf", "xgboost-cpu")]
    changes = {f"{FOLDER}/{file}": "", f"{FOLDER}/training.lock": "".join([LOCK, *pins])}
    inputs = Inputs(Files(MemoryTree(repository(**changes))), MemoryEngine())
    found = [str(one) for one in version_problems(inputs, "late", "v1") if "name of a library" in one.message]
    assert len(found) == bool(said)
    assert all(f"{FOLDER}/{said}" in one for one in found)
