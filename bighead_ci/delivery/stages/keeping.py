"""Keeps a trained model as it is: its own code answers, with its state as files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bighead_ci.delivery.stages.made import Made, Way
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.scorer import code_loaders, scorer_of
from bighead_ci.model_code.state import save_state
from bighead_ci.transforms.columns import Columns


def keep(model: Any, manifest: ArtifactManifest, code: ModelCode) -> Made:
    """The model's state, saved and loaded.

    Raises:
        InputError: it cannot be saved as data, or not loaded again.
    """
    with TemporaryDirectory(prefix="bighead-state-") as name:
        directory = Path(name)
        names = save_state(model, directory, manifest.trusted_types, code)
        mine = manifest.model_copy(update={"kind": "python", "files": names})
        scorer = scorer_of(directory, mine, code)
        files = {file: (directory / file).read_bytes() for file in names}
    return Made(mine, files, scorer, code_loaders(code.directory), "model that was saved and loaded again")


def kept(_model: Any, _manifest: ArtifactManifest, _code: ModelCode, _training: Columns) -> list[Way]:
    """The one way of a version whose own code answers."""
    return [Way("python", keep)]
