"""Explanations as callers get them, of the numbers that scorers give."""

from __future__ import annotations

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.explanation import Attribution, Explanation, RawScore
from bighead_ci.ports.scorer import Explanations
from bighead_ci.tasks.registry import task_named


def explanations_of(found: Explanations, manifest: ArtifactManifest) -> list[Explanation]:
    """One explanation a row, of the outputs that the task explains."""
    target, names = manifest.target, [item.name for item in manifest.inputs]
    task = task_named(target.task)
    logarithm: RawScore = "log_odds" if found.meaning == "log_odds" else "log_value"
    of: RawScore = task.outputs_are if found.meaning == "output" else logarithm
    asked = task.explained(target)
    chosen = [(raw, target.outputs[output]) for raw, output in enumerate(found.outputs) if output in asked]
    base, scores, shares = found.base.tolist(), found.raw.tolist(), found.shares.tolist()
    return [
        Explanation(
            of=of,
            attributions=[
                Attribution(
                    output=output, base=base[raw], raw=scores[row][raw], inputs=dict(zip(names, line[raw], strict=True))
                )
                for raw, output in chosen
            ],
        )
        for row, line in enumerate(shares)
    ]
