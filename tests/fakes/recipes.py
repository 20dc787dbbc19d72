"""A small repository with one model version, and what its images are made of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.lock_file import read_pins
from bighead_ci.documents.image import ImageRecipe
from bighead_ci.documents.inputs import Target
from bighead_ci.planning.inputs import Inputs
from fakes.engine import MemoryEngine
from fakes.memory_tree import MemoryTree, repository

FOLDER = "models/late/v1"
ENGINE = MemoryEngine()
TARGETS: tuple[Target, ...] = ("train", "serve")
OWN: dict[Target, str] = {"train": "training.lock", "serve": "serving.lock"}
NOTHING: Mapping[str, str] = {}
CODE = ("model.py", "golden_rows.json", "words.txt", "more/helper.py")


@cache
def installable_lock() -> str:
    """A pin of the project's own lock: the running interpreter satisfies it, and it can be installed elsewhere."""
    pins, problems = read_pins("requirements.lock", Path("requirements.lock").read_bytes())
    assert not problems
    return next(pin.text for pin in pins if pin.name == "packaging")


def late_tree(changes: Mapping[str, str] = NOTHING) -> MemoryTree:
    """A repository with the version; `changes` by file of the version."""
    files = dict.fromkeys(OWN.values(), installable_lock())
    files |= {"words.txt": "late\n", "more/helper.py": "x = 1\n", **changes}
    return MemoryTree(repository(**{f"{FOLDER}/{name}": text for name, text in files.items()}))


def late_recipe(tree: MemoryTree, target: Target = "serve", engine: MemoryEngine = ENGINE) -> ImageRecipe:
    """What planning says that an image is made of."""
    inputs = Inputs(Files(tree), engine)
    return inputs.recipe(target, inputs.definitions.model("late", "v1"))
