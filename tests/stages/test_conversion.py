"""Which form of an estimator becomes the artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bighead_ci.delivery.stages.conversion import Trained, convert
from bighead_ci.delivery.stages.made import Made, Way
from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest, GoldenRows
from bighead_ci.documents.record import Conversion
from bighead_ci.documents.target import Target
from bighead_ci.model_code.code import ModelCode
from bighead_ci.ports.progress import silent
from bighead_ci.transforms.columns import Columns

Floats = npt.NDArray[np.float64]
INPUTS = [ArtifactInput(name="x", type="float64")]
MANIFEST = ArtifactManifest(
    model="m", version="v1", target=Target(task="regression", outputs=["value"]), inputs=INPUTS, request={},
    features=[], feature_keys={},
)  # fmt: skip


class Root:
    """Scores by the root of an input; below zero by the estimator's NaN, or by a number."""

    def __init__(self, manifest: ArtifactManifest, below: float) -> None:
        self.manifest = manifest
        self._below = below

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        values = np.asarray(columns["x"], dtype=np.float64)
        with np.errstate(invalid="ignore"):
            return np.where(values < 0, self._below, np.sqrt(values))[:, None]

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        value = np.nan if inputs["x"] is None else inputs["x"]
        found: list[float] = self.score({"x": np.array([value])})[0].tolist()
        return found


class Sums:
    """Answers a row alone as its estimator does, which is otherwise than among others."""

    def __init__(self, manifest: ArtifactManifest, off: float = 0.0) -> None:
        self.manifest = manifest
        self._off = off

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        values = np.asarray(columns["x"], dtype=np.float64)[:, None]
        return np.nan_to_num(values) / 10 + 0.1 * (len(values) == 1) + self._off

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        value = np.nan if inputs["x"] is None else inputs["x"]
        found: list[float] = self.score({"x": np.array([value])})[0].tolist()
        return found


def converted(directory: Path, scores: Callable[[Columns], Floats], scorers: Mapping[str, Any]) -> Conversion:
    """What became of an estimator that gives these scores, of forms by their names."""

    def way(name: str, scorer: Any) -> Way:
        made = Made(MANIFEST, {"model.onnx": b""}, scorer, {"onnx": lambda _directory, _manifest: scorer}, "a form")
        return Way(name, lambda *_: made)

    rows: Columns = {"x": np.linspace(0, 9, 50)}
    trained = Trained(object(), scores, {"x": rows["x"][:1]}, rows, rows)
    (directory / "model.py").write_text("def build(parameters): ...\n")
    ways = [way(name, scorer) for name, scorer in scorers.items()]
    code = ModelCode(directory, "models/m/v1")
    return convert(trained, MANIFEST, lambda *_: ways, code, directory / "artifact", silent).conversion


def test_an_estimator_that_rounds_a_row_alone_otherwise_is_taken_at_both(tmp_path: Path) -> None:
    """Its own code gives what it gives, among others and alone; golden rows are scored alone when they are loaded."""
    assert converted(tmp_path, Sums(MANIFEST).score, {"python": Sums(MANIFEST)}).refused == []
    golden = GoldenRows.read(tmp_path / "artifact" / "golden.json").rows[0]
    assert golden.scores == [pytest.approx(0.1)]


def test_a_form_that_is_nearly_too_far_is_refused(tmp_path: Path) -> None:
    """The rows are a sample, and others may be further."""
    said = converted(tmp_path, Sums(MANIFEST).score, {"near": Sums(MANIFEST, 9e-6), "python": Sums(MANIFEST)})
    assert [one.reason for one in said.refused] == [
        "is as far as 9e-06 from the estimator on these rows, too near 1e-05 for others"
    ]


def test_a_form_that_answers_what_the_estimator_has_no_number_for_is_refused(tmp_path: Path) -> None:
    """The next one is taken; the reason says for which row."""
    forms = {"onnx (guessing)": Root(MANIFEST, 0.0), "onnx": Root(MANIFEST, np.nan)}
    said = converted(tmp_path, Root(MANIFEST, np.nan).score, forms)
    (refused,) = said.refused
    assert refused.kind == "onnx (guessing)"
    assert "rows that the estimator has no number for, one with x -1.0" in refused.reason
