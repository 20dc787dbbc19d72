"""Explanations of whatever kind of artifact has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from bighead_ci.ports.scorer import ExplainingScorer, Explanations, LoadedArtifact, NoExplanationError


def explain(scorer: LoadedArtifact, columns: Mapping[str, npt.NDArray[Any]]) -> Explanations:
    """What rows' raw scores are made of.

    Raises:
        InputError: as `Scorer.score`.
        NoExplanationError: the artifact has no explanations; says why.
    """
    if not isinstance(scorer, ExplainingScorer):
        raise has_none(scorer.manifest.kind)
    return scorer.explain(columns)


def has_none(kind: str) -> NoExplanationError:
    """What to say of a kind of artifact without explanations."""
    return NoExplanationError(f"an artifact of kind {kind} has no explanations; those of kinds trees and linear do")


def made_before_explanations(model: str, version: str) -> NoExplanationError:
    """What to say of an artifact that lacks the numbers that explanations need."""
    name = f"{model}/{version}"
    return NoExplanationError(
        f"the artifact of {name} was made before there were explanations; train it again: "
        f"`bighead retrain {name} --as-of now`, and promote what its pull request makes"
    )
