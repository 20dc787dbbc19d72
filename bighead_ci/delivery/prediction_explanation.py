"""What the answer of one logged prediction was made of, by the artifact that gave it."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.delivery.context import Context
from bighead_ci.documents.artifact import MANIFEST, ArtifactManifest
from bighead_ci.documents.explanation import Explanation
from bighead_ci.documents.live import Prediction
from bighead_ci.errors import InputError
from bighead_ci.ports.scorer import NoExplanationError
from bighead_ci.scorers.artifact import load_artifact
from bighead_ci.scorers.deviation import deviation
from bighead_ci.scorers.explaining import explain, has_none
from bighead_ci.scorers.registry import LOADERS
from bighead_ci.tasks.explaining import explanations_of
from bighead_ci.transforms.columns import authored_columns

TOLERANCE = 1e-9
"""How far the score of the logged inputs may be from the logged one: another processor may round otherwise."""


def explanation_of(context: Context, prediction: Prediction) -> Explanation:
    """Explain the inputs that were logged with the artifact that was recorded.

    Raises:
        InputError: the artifact is not kept any more or damaged, its kind has no explanations, or it scores the
            inputs otherwise than the log says.
    """
    directory = context.records.artifact(prediction.artifact)
    try:
        _check_kind(directory)
        scorer = load_artifact(directory, prediction.artifact)
        columns = authored_columns([prediction.inputs], scorer.manifest.inputs)
        scores = scorer.score(columns)[0].tolist()
        if deviation(scores, prediction.scores).max(initial=0.0) > TOLERANCE:
            raise InputError(
                f"prediction {prediction.prediction_id}: its artifact scores the logged inputs {scores}, and the log "
                f"says {prediction.scores}: one of the two was changed"
            )
        return explanations_of(explain(scorer, columns), scorer.manifest)[0]
    except NoExplanationError as error:
        raise InputError(f"prediction {prediction.prediction_id}: {error}") from error


def _check_kind(directory: Path) -> None:
    """Kinds that only the version's own code answers for are not loaded here; a damaged one is for the loader."""
    try:
        kind = ArtifactManifest.read(directory / MANIFEST).kind
    except (OSError, ValueError):
        return
    if kind not in LOADERS:
        raise has_none(kind)
