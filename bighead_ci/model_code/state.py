"""What a `python` model learned, as files: written by its code or by skops, never pickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bighead_ci.documents.artifact import GOLDEN, MANIFEST, ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.estimator_file import FILE, estimator_bytes, read_estimator
from bighead_ci.model_code.state_files import pickled


def save_state(model: Any, directory: Path, trusted: Sequence[str], code: ModelCode) -> list[str]:
    """Write the state of a trained model into an empty directory; the names of its files.

    A model that `train` made writes it itself, with `save(directory)`; an estimator that `build` made is written by
    skops.

    Raises:
        InputError: `save` raised, left nothing, a directory, a name that the artifact has itself, or pickled objects;
            or the estimator holds what cannot be written, or is of a type that nobody trusts.
    """
    if not code.trains:
        (directory / FILE).write_bytes(estimator_bytes(model, trusted, code))
        return [FILE]
    with code.blaming("save"):
        model.save(directory)
    left = sorted(directory.iterdir())
    problems = [
        code.problem("save", f"left {path.name}: wanted are plain files, no directory, {MANIFEST} or {GOLDEN}")
        for path in left
        if path.is_symlink() or not path.is_file() or path.name in {MANIFEST, GOLDEN}
    ]
    if not left:
        problems.append(code.problem("save", "left no file: load(directory) would have nothing to begin with"))
    problems = problems or pickled(directory, f"{code.shown}: save")
    if problems:
        raise InputError(problems)
    return [path.name for path in left]


def load_state(directory: Path, manifest: ArtifactManifest, code: ModelCode) -> tuple[Any, list[str]]:
    """The model of an artifact's state, and what its libraries say of its age.

    Raises:
        InputError: a file holds pickled objects, or `load` raised.
    """
    if problems := pickled(directory, str(directory)):
        raise InputError(problems)
    if not code.trains:
        if manifest.files != [FILE]:
            found = ", ".join(manifest.files)
            raise InputError(f"{directory}: the artifact holds {found}, wanted {FILE}: it is of code with train()")
        return read_estimator((directory / FILE).read_bytes(), manifest.trusted_types, code)
    return code.load(directory), []
