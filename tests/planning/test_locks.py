"""What a version's locks must have."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import Lock, lock_problems, needed
from fakes.engine import MemoryEngine
from fakes.memory_tree import LOCK, MODEL, MemoryTree, repository


def inputs_of(code: str) -> Inputs:
    files = repository(**{"models/late/v1/model.py": code})
    return Inputs(Files(MemoryTree(files)), MemoryEngine().edited("entry_points/stages/train.py", "import pyarrow\n"))


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("def build(p): ...\n", set()),
        ("import json, numpy\n", {"numpy"}),
        ("def build(p):\n    from sklearn.tree import DecisionTreeClassifier\n", {"scikit-learn"}),
        ("from bighead_ci.transforms import wavelets\n", {"numpy"}),
        ("try:\n    import surely_not_installed\nexcept ImportError: ...\n", set()),
    ],
)
def test_what_a_versions_code_imports_must_be_in_its_training_lock(code: str, asked: set[str]) -> None:
    """Directly or through a part of the engine: else no key would say which version the stage found."""
    inputs = inputs_of(code)
    model = inputs.definitions.model("late", "v1")
    assert needed(inputs, model, "training") == {"pyarrow", *asked}
    assert needed(inputs, model, "serving") == set()


def test_a_lock_that_lacks_something_says_what_and_how_to_mend_it() -> None:
    """With its file; the other lock, and what is in the lock, are not spoken of."""
    inputs = inputs_of("import numpy, sklearn\n")
    (problem,) = lock_problems(inputs, inputs.definitions.model("late", "v1"))
    assert problem.file == "models/late/v1/training.lock"
    assert problem.message == (
        "lacks pyarrow, scikit-learn, which is imported there: run `bighead lock models/late/v1`"
    )


@pytest.mark.parametrize(
    ("pinned", "message"),
    [
        ("", "imports xgboost, which training.lock lacks: run `bighead lock models/late/v1 --training xgboost`"),
        ("xgboost-cpu", ""),
        ("xgboost", ""),
    ],
)
def test_a_lock_without_the_framework_that_the_code_imports_is_told_how_to_get_it(pinned: str, message: str) -> None:
    """Whether or not the engine has it; any distribution that has the module will do."""
    lock = f"{pinned}==3.0 \\\n    --hash=sha256:{'0' * 64}\n" if pinned else ""
    code = "import json\n\nfrom xgboost import XGBClassifier\n"
    files = repository(**{"models/late/v1/model.py": code, "models/late/v1/training.lock": LOCK + lock})
    inputs = Inputs(Files(MemoryTree(files)), MemoryEngine())
    found = lock_problems(inputs, inputs.definitions.model("late", "v1"))
    wanted = [f"models/late/v1/model.py:3: {message}"] if message else []
    assert [str(problem) for problem in found] == wanted


ANSWERING = {
    "entry_points/serving.py": "import lmdb\n",
    "entry_points/code_serving.py": "import uvicorn\n",
    "entry_points/stages/code_evaluate.py": "import pandas\n",
    "entry_points/stages/code_train.py": "import skops\n",
}


@pytest.mark.parametrize(
    ("kind", "training", "serving"),
    [
        ("", {"scikit-learn", "pandas", "uvicorn", "httptools", "uvloop"}, {"lmdb"}),
        ("    serving: {kind: compiled}\n", {"scikit-learn"}, {"lmdb"}),
        (
            "    serving: {kind: python}\n",
            {"scikit-learn", "skops"},
            {"scikit-learn", "pandas", "uvicorn", "httptools", "uvloop"},
        ),
    ],
    ids=["any", "compiled", "python"],
)
def test_a_lock_has_what_may_run_in_it(kind: str, training: set[str], serving: set[str]) -> None:
    """Where the version's own code may have to answer, that is the training lock; where it has to, the serving one."""
    engine = MemoryEngine()
    for path, text in ANSWERING.items():
        engine = engine.edited(path, text)
    files = repository(**{"models/late/v1/model.py": "import sklearn\n", "models/late/v1/model.yaml": MODEL + kind})
    inputs = Inputs(Files(MemoryTree(files)), engine)
    wanted: dict[Lock, set[str]] = {"training": training, "serving": serving}
    assert {lock: needed(inputs, inputs.definitions.model("late", "v1"), lock) for lock in wanted} == wanted


def test_of_two_distributions_of_a_framework_the_one_that_is_asked_for_is_enough() -> None:
    """XGBoost is installed here by one of them; a lock with both would install one over the other."""
    inputs = inputs_of("import numpy, xgboost\n")
    model = inputs.definitions.model("late", "v1")
    (here,) = needed(inputs, model, "training") - {"pyarrow", "numpy"}
    (other,) = {"xgboost", "xgboost-cpu"} - {here}
    assert needed(inputs, model, "training", {other}) == {"pyarrow", "numpy"}
    assert needed(inputs, model, "training", {here}) == {"pyarrow", "numpy", here}
