"""Explanations as callers get them, of the numbers that scorers give."""

from __future__ import annotations

import numpy as np

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.explanation import Attributed, Attribution, Explanation, RawScore
from bighead_ci.ports.scorer import Explanations
from bighead_ci.tasks.registry import task_named


def explanations_of(found: Explanations, manifest: ArtifactManifest) -> list[Explanation]:
    """One explanation a row, of the outputs that the task explains."""
    target, names, of = manifest.target, [item.name for item in manifest.inputs], _meaning(found, manifest)
    chosen = [(raw, target.outputs[found.outputs[raw]]) for raw in _asked(found, manifest)]
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


def attributed(found: Explanations, manifest: ArtifactManifest) -> Attributed | None:
    """Mean magnitudes over rows, those aside that have no finite explanation; None without any that has."""
    shares = found.shares[:, _asked(found, manifest)]
    finite = shares[np.isfinite(shares).all(axis=(1, 2))]
    if not len(finite):
        return None
    means = np.abs(finite).mean(axis=0).sum(axis=0).tolist()
    inputs = dict(zip([item.name for item in manifest.inputs], means, strict=True))
    return Attributed(of=_meaning(found, manifest), rows=len(finite), inputs=inputs)


def _asked(found: Explanations, manifest: ArtifactManifest) -> list[int]:
    """Raw scores of the outputs that the task explains."""
    asked = task_named(manifest.target.task).explained(manifest.target)
    return [raw for raw, output in enumerate(found.outputs) if output in asked]


def _meaning(found: Explanations, manifest: ArtifactManifest) -> RawScore:
    if found.meaning == "output":
        return task_named(manifest.target.task).outputs_are
    return "log_odds" if found.meaning == "log_odds" else "log_value"
