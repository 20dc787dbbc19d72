"""Kind of artifact → what loads it. A model's process imports the loader of its own kind alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.ports.scorer import Scorer

Loader = Callable[[Path, ArtifactManifest], Scorer]


def _onnx(directory: Path, manifest: ArtifactManifest) -> Scorer:
    from bighead_ci.scorers.onnx_graph import load

    return load(directory, manifest)


def _trees(directory: Path, manifest: ArtifactManifest) -> Scorer:
    from bighead_ci.scorers.trees import load

    return load(directory, manifest)


def _linear(directory: Path, manifest: ArtifactManifest) -> Scorer:
    from bighead_ci.scorers.linear import load

    return load(directory, manifest)


LOADERS: Mapping[str, Loader] = {"onnx": _onnx, "trees": _trees, "linear": _linear}
"""Of the kinds that need no code of the version."""
