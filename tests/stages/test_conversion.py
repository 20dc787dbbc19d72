"""Which form of an estimator becomes the artifact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.delivery.stages.conversion import Trained, convert
from bighead_ci.delivery.stages.made import Made, Way
from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
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


def test_a_form_that_answers_what_the_estimator_has_no_number_for_is_refused(tmp_path: Path) -> None:
    """The next one is taken; the reason says for which row."""

    def way(name: str, below: float) -> Way:
        def make(_estimator: Any, manifest: ArtifactManifest, _code: ModelCode) -> Made:
            scorer = Root(manifest, below)
            return Made(manifest, {"model.onnx": b""}, scorer, {"onnx": lambda _directory, _manifest: scorer}, "a root")

        return Way(name, make)

    def scores(columns: Columns) -> Floats:
        return Root(MANIFEST, np.nan).score(columns)

    rows: Columns = {"x": np.linspace(0, 9, 50)}
    trained = Trained(object(), scores, {"x": rows["x"][:1]}, rows, rows)
    (tmp_path / "model.py").write_text("def build(parameters): ...\n")
    code = ModelCode(tmp_path, "models/m/v1")
    ways = [way("onnx (guessing)", 0.0), way("onnx", np.nan)]
    said = convert(trained, MANIFEST, lambda *_: ways, code, tmp_path / "artifact", silent)
    (refused,) = said.conversion.refused
    assert refused.kind == "onnx (guessing)"
    assert "rows that the estimator has no number for, one with x -1.0" in refused.reason
