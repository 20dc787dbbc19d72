"""What people write in a version's directory: imported with its neighbours, and blamed where it went wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode

FOLDER = "models/late/v1"
METHODS = ("fit", "predict_proba")
CLASS = "    def fit(self, X, y): ...\n    def predict_proba(self, X): ...\n"


def version(root: Path, **files: str) -> ModelCode:
    """The code of a version that has these modules; `package__module` lies in a package."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ModelCode(root, FOLDER)


def test_modules_and_packages_beside_model_py_are_found(tmp_path: Path) -> None:
    """Also by an import inside a function, and from one neighbour to another."""
    code = version(
        tmp_path,
        model="from words.most import Most\ndef build(p):\n    import shares\n    return Most(shares.HALF)\n",
        shares="HALF = 0.5\n",
        words__most=f"from words.base import Base\nclass Most(Base):\n{CLASS}",
        words__base="class Base:\n    def __init__(self, share):\n        self.share = share\n",
    )
    assert code.build({}, METHODS).share == 0.5


def test_neighbours_stay_in_their_version(tmp_path: Path) -> None:
    """Two versions of one process each find their own module of a name, and neither is left behind."""
    text = f"import shares\nclass Most:\n    share = shares.SHARE\n{CLASS}def build(p):\n    import shares\n"
    text += "    Most.later = shares.SHARE\n    return Most()\n"
    before, path = set(sys.modules), list(sys.path)
    codes = [version(tmp_path / str(share), model=text, shares=f"SHARE = {share}\n") for share in (1, 2)]
    built = [code.build({}, METHODS) for code in codes]
    assert [(one.share, one.later) for one in built] == [(1, 1), (2, 2)]
    assert set(sys.modules) - before == set()
    assert sys.path == path
    assert sorted(file.name for file in (tmp_path / "1").iterdir()) == ["model.py", "shares.py"]


@pytest.mark.parametrize(("name", "origin"), [("statistics", "of Python itself"), ("numpy", "numpy/__init__.py")])
def test_a_neighbour_with_the_name_of_a_library_is_refused(tmp_path: Path, name: str, origin: str) -> None:
    """By its file, whichever of the two would have been imported."""
    with pytest.raises(InputError, match=f"{FOLDER}/{name}.py: has the name of a library .{origin}"):
        version(tmp_path, model="def build(p): ...\n", **{name: ""})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def half():\n    return 1 / 0\n", f"{FOLDER}/shares.py:2: build: ZeroDivisionError"),
        ("x = 1\ndef half(:\n", f"{FOLDER}/shares.py:2: import: SyntaxError"),
        ("import nowhere\n", f"{FOLDER}/shares.py:1: import: ModuleNotFoundError"),
        ("from .words import half\n", r"shares.py:1: import: ImportError: .* bare names: `import helpers`"),
    ],
)
def test_what_a_neighbour_raises_is_blamed_on_its_own_line(tmp_path: Path, text: str, message: str) -> None:
    """Not on the line of model.py that led there."""
    with pytest.raises(InputError, match=message):
        version(tmp_path, model="import shares\ndef build(p):\n    return shares.half()\n", shares=text).build(
            {}, METHODS
        )


def test_what_a_library_raises_is_blamed_on_the_line_that_called_it(tmp_path: Path) -> None:
    """The innermost line that the authors wrote."""
    code = version(tmp_path, model="import json\ndef build(p):\n    x = 1\n    return json.loads('{')\n")
    with pytest.raises(InputError, match=f"{FOLDER}/model.py:4: build: JSONDecodeError"):
        code.build({}, METHODS)


def test_model_py_may_define_a_dataclass(tmp_path: Path) -> None:
    """With postponed annotations, which look their own module up by name."""
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    text += f"@dataclass\nclass Most:\n    share: float\n{CLASS}def build(p):\n    return Most(0.5)\n"
    assert version(tmp_path, model=text).build({}, METHODS).share == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"there is no function build\(parameters\), and no train\(data, parameters\)"),
        ("def build(p): ...\ndef train(d, p): ...\n", "there are both build"),
    ],
)
def test_one_entrance_is_needed(tmp_path: Path, text: str, message: str) -> None:
    """Neither none nor two."""
    with pytest.raises(InputError, match=message):
        version(tmp_path, model=text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def train(d, p): return 1\n", "model.py:1: train: returned int, which has no predict_proba and no save"),
        (
            f"class M:\n{CLASS}    def save(self, d): ...\ndef train(d, p): return M()\n",
            "load: there is no function load",
        ),
    ],
)
def test_what_train_returns_can_be_asked_saved_and_loaded(tmp_path: Path, text: str, message: str) -> None:
    """What it lacks is named."""
    with pytest.raises(InputError, match=message):
        version(tmp_path, model=text).train(None, {}, ("predict_proba",))


def test_post_processing_that_nobody_calls_is_refused(tmp_path: Path) -> None:
    """Rather than ignored without a word; a helper that the code itself uses may be called anything."""
    build = "def build(p):\n    return None\n"
    with pytest.raises(InputError, match=r"model\.py:3: postprocess: postprocess of model\.py is called by nobody"):
        version(tmp_path / "one", model=f"{build}def postprocess(scores):\n    return scores\n")
    used = "def predict(x): ...\ndef build(p):\n    return predict(p)\n"
    assert not version(tmp_path / "two", model=used).trains
