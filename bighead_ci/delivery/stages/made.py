"""What a trained model became to answer callers, before it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.model_code.code import ModelCode
from bighead_ci.ports.scorer import Scorer
from bighead_ci.scorers.registry import Loader
from bighead_ci.transforms.columns import Columns


@dataclass(frozen=True)
class Made:
    """Files of an artifact, and what they answer once they are loaded as serving loads them."""

    manifest: ArtifactManifest
    files: Mapping[str, bytes]
    scorer: Scorer
    loaders: Mapping[str, Loader]
    """What loads it, by kind."""
    about: str
    """What it is, in words: `ONNX form of the estimator`."""


Make = Callable[[Any, ArtifactManifest, ModelCode], Made]
"""Makes it of a trained model.

Raises InputError where the model cannot become that.
"""


@dataclass(frozen=True)
class Way:
    """One thing that a trained model may become."""

    name: str
    """`onnx (float32)`."""
    make: Make


Ways = Callable[[Any, ArtifactManifest, ModelCode, Columns], Sequence[Way]]
"""What to try, in order, with a model that was trained on these rows."""
