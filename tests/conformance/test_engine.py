"""What every engine tells of itself: the installed one, the one in memory, and one with an edit on top."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from bighead_ci.documents.base import digest_of_bytes
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.errors import BugError
from bighead_ci.ports.engine import WHOLE, Engine
from fakes.edited_engine import EditedEngine
from fakes.engine import MemoryEngine

FILES = {
    "__init__.py": "",
    "errors.py": "",
    "a/__init__.py": "import json\n",
    "a/one.py": "from bighead_ci import errors\nimport numpy.linalg\n",
    "a/two.py": "from bighead_ci.a import one\n\ndef late():\n    import yaml\n",
    "b/__init__.py": "",
    "b/dynamic.py": "import importlib\nimportlib.import_module('bighead_ci.' + x)\n",
    "b/reader.py": "from pathlib import Path\nHERE = Path(__file__)\n",
    "b/maybe.py": "try:\n    import surely_not_installed\nexcept ImportError: ...\n",
    "b/page.jinja": "<p>\n",
}
MARK = "# edited\n"


def installed(directory: Path, files: dict[str, str]) -> Engine:
    for path, text in files.items():
        file = directory / "bighead_ci" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return InstalledEngine(directory / "bighead_ci")


def edited(directory: Path, files: dict[str, str]) -> Engine:
    """One file comes by the edit: `b/page.jinja` is new, any other has its last line from it."""
    below = {path: text.removesuffix(MARK) for path, text in files.items() if path != "b/page.jinja"}
    changed = [path for path, text in files.items() if text.endswith(MARK)]
    engine = installed(directory, below)
    assert isinstance(engine, InstalledEngine)
    for path in changed or ["b/page.jinja"]:
        return EditedEngine(engine, path)
    raise AssertionError(changed)


MAKERS: dict[str, Callable[[Path, dict[str, str]], Engine]] = {
    "installed": installed,
    "memory": lambda _, files: MemoryEngine(files),
    "edited": edited,
}


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, str]], Engine]:
    made = iter(range(100))
    return lambda files: MAKERS[request.param](tmp_path / str(next(made)), files)


@pytest.fixture
def engine(make: Callable[[dict[str, str]], Engine]) -> Engine:
    return make(FILES)


def test_a_component_is_all_that_its_modules_import(engine: Engine) -> None:
    """Directly or not, with the packages that they are in, each by its content; distributions with their versions."""
    component = engine.component({"bighead_ci.a.two"})
    assert [*component.files] == ["__init__.py", "a/__init__.py", "a/one.py", "a/two.py", "errors.py"]
    assert component.files == {path: digest_of_bytes(engine.read(path)) for path in component.files}
    assert component.distributions == {"numpy": metadata.version("numpy"), "pyyaml": metadata.version("pyyaml")}


@pytest.mark.parametrize("root", ["bighead_ci.b.dynamic", "bighead_ci.b.reader", WHOLE])
def test_what_cannot_be_told_is_the_whole_engine(engine: Engine, root: str) -> None:
    """A module that computes what it imports, or finds files by its place, stands for everything, data files too."""
    assert sorted(engine.component({root}).files) == sorted(FILES)


def test_an_edit_changes_the_components_that_it_is_part_of(make: Callable[[dict[str, str]], Engine]) -> None:
    """And no other; a comment counts, for only running would tell that it does not."""
    before, after = make(FILES), make({**FILES, "a/two.py": FILES["a/two.py"] + MARK})
    assert after.read("a/two.py") == before.read("a/two.py") + MARK.encode()
    same = {
        root: before.component({root}) == after.component({root}) for root in ("bighead_ci.a.one", "bighead_ci.a.two")
    }
    assert same == {"bighead_ci.a.one": True, "bighead_ci.a.two": False}


def test_what_is_not_there_is_our_fault(engine: Engine) -> None:
    """A component of an unknown module names it; a file is a KeyError."""
    assert engine.has("bighead_ci.a.two")
    assert not engine.has("bighead_ci.a.three")
    with pytest.raises(BugError, match=r"no module bighead_ci\.a\.three"):
        engine.component({"bighead_ci.a.three"})
    for path in ("a/three.py", "a"):
        with pytest.raises(KeyError):
            engine.read(path)


def test_a_distribution_that_is_not_installed_is_said_to_be_absent(engine: Engine) -> None:
    """An optional import is an input too: once it is installed, something else may run."""
    assert engine.component({"bighead_ci.b.maybe"}).distributions == {"surely-not-installed": "absent"}
    assert engine.distributions({"surely_not_installed", "sklearn"}) == {
        "scikit-learn": metadata.version("scikit-learn")
    }


def test_what_a_library_requires_counts_with_it(engine: Engine) -> None:
    """Directly or not, each with its version; what is not installed is said to be absent."""
    found = engine.with_required({"scikit-learn", "surely-not-installed"})
    assert {"scikit-learn", "numpy", "scipy", "joblib"} < found.keys()
    absent = found.pop("surely-not-installed")
    assert (absent, found) == ("absent", {name: metadata.version(name) for name in found})


def test_the_version_of_python_is_that_of_the_process(engine: Engine) -> None:
    """Major and minor."""
    assert engine.python == f"{sys.version_info.major}.{sys.version_info.minor}"
