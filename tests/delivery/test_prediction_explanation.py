"""A logged prediction is explained by the artifact that gave it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bighead_ci.delivery.prediction_explanation import explanation_of
from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.documents.live import Prediction
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import artifact_digest, open_artifact
from bighead_ci.transforms.compilers import COMPILERS
from fakes.stage_checkout import GOLDEN_ROW, INPUTS, place_with_rows
from fakes.tiny_artifact import write_tiny_artifact

NOW = datetime(2013, 10, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> StagePlace:
    """Of a logistic regression: kind `linear`."""
    found = place_with_rows(tmp_path_factory.mktemp("linear"))
    train(found, compiled(COMPILERS), silent)
    return found


def explained(directory: Path, inputs: dict[str, Any], scores: list[float]) -> Any:
    prediction = Prediction(
        prediction_id="p1", at=NOW, environment="prod", model="late", version="v1", variant="late-v1", as_of=NOW,
        artifact=artifact_digest(directory), request={}, inputs=inputs, scores=scores, milliseconds=0.1,
    )  # fmt: skip
    context: Any = SimpleNamespace(records=SimpleNamespace(artifact=lambda _: directory))
    return explanation_of(context, prediction)


def test_what_was_logged_is_explained(place: StagePlace) -> None:
    """By input, from the base to the log-odds of the answer."""
    artifact = place.out / "artifact"
    scores = open_artifact(artifact).score_row(GOLDEN_ROW)
    found = explained(artifact, GOLDEN_ROW, scores)
    (part,) = found.attributions
    assert (found.of, part.output, list(part.inputs)) == ("log_odds", "1", INPUTS)
    assert part.base + sum(part.inputs.values()) == pytest.approx(part.raw)
    assert part.inputs["hour"] < 0  # early in the day nobody is late


def test_a_log_that_says_otherwise_is_not_explained(place: StagePlace) -> None:
    """An explanation would be of another answer."""
    with pytest.raises(InputError, match=r"p1: its artifact scores the logged inputs .* one of the two was changed"):
        explained(place.out / "artifact", GOLDEN_ROW, [0.5, 0.5])


@pytest.mark.parametrize("kind", ["onnx", "python"])
def test_a_kind_without_explanations_is_named(tmp_path: Path, kind: str) -> None:
    """Whether or not this process could load it."""
    write_tiny_artifact(tmp_path / "artifact")
    file = tmp_path / "artifact" / "artifact.json"
    inputs = {"distance": 100.0, "delay": 0.0}
    scores = open_artifact(tmp_path / "artifact").score_row(inputs)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"kind": kind}))
    with pytest.raises(InputError, match=f"prediction p1: an artifact of kind {kind} has no explanations"):
        explained(tmp_path / "artifact", inputs, scores)


def test_evaluation_says_what_scores_owe_to_each_input(place: StagePlace) -> None:
    """The mean of what explanations say, beside what exchanging values says."""
    found = evaluate(place, silent)
    exact = found.attributed
    assert exact is not None
    assert (exact.of, list(exact.inputs)) == ("log_odds", INPUTS)
    assert 0 < exact.rows <= found.rows
    assert sum(exact.shares().values()) == pytest.approx(1.0)
    assert max(exact.inputs, key=exact.inputs.__getitem__) == max(found.importance, key=found.importance.__getitem__)
