"""The files of an image: the version's code and lock, and the part of the engine that it is shipped with."""

from __future__ import annotations

from collections.abc import Mapping

from bighead_ci.definitions.files import Files
from bighead_ci.documents.base import digest_of_bytes
from bighead_ci.documents.image import ImageManifest, ImageRecipe
from bighead_ci.errors import BugError
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.tree import Tree

LOCK = "lock.txt"
MODEL = "model"
ENGINE = "engine"
PACKAGE = "bighead_ci"


def contents_of(recipe: ImageRecipe, tree: Tree, engine: Engine) -> dict[str, bytes]:
    """Path in the image → content, of all that the recipe names.

    Raises:
        InputError: the lock has problems.
        BugError: a file of the tree or the engine is not the one that the recipe names.
    """
    contents, ids = {LOCK: _lock(recipe, tree)}, tree.files()
    for path, identity in recipe.files.items():
        if ids.get(path) != identity:
            raise BugError(f"{path} is {ids.get(path)}, and the recipe of {recipe.folder} names {identity}")
        contents[f"{MODEL}/{path.removeprefix(f'{recipe.folder}/')}"] = tree.read(path)
    for path, digest in recipe.engine.items():
        content = engine.read(path)
        if digest_of_bytes(content) != digest:
            raise BugError(f"{path} of the engine changed since {recipe.folder} was planned")
        contents[f"{ENGINE}/{PACKAGE}/{path}"] = content
    return contents


def manifest_of(recipe: ImageRecipe, contents: Mapping[str, bytes]) -> ImageManifest:
    """What an image with these contents says of itself."""
    return ImageManifest(
        key=recipe.key,
        target=recipe.target,
        model=recipe.model,
        version=recipe.version,
        python=recipe.python,
        lock=recipe.locked,
        entry_point=recipe.entry_point,
        files={path: digest_of_bytes(content) for path, content in contents.items()},
    )


def _lock(recipe: ImageRecipe, tree: Tree) -> bytes:
    """All that the recipe's lock says."""
    if recipe.lock not in tree.files():
        raise BugError(f"{recipe.lock} is missing, and the recipe of {recipe.folder} names it")
    text = Files(tree).valid_lock(recipe.lock).text
    if digest_of_bytes(text) != recipe.locked:
        raise BugError(f"{recipe.lock} says something else than when {recipe.folder} was planned")
    return text
