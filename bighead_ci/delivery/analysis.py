"""Measures a canary under way, with what its variants' evaluations lead one to expect."""

from __future__ import annotations

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.release import Release, Variant
from bighead_ci.errors import InputError


def analyse(context: Context, desired: Desired, environment: str, model: str, release: Release) -> CanaryAnalysis:
    """Candidate against stable since the last change of weight.

    Raises:
        InputError: a variant's record is gone.
        RetryError: the router or a process does not answer.
    """
    names = desired.variant_names(environment, model)
    stable, candidate = release.variants[0], release.variants[-1]
    expected = (_evaluated(context, stable), _evaluated(context, candidate))
    return context.telemetry.analyse(environment, model, names, candidate.weight, expected)


def _evaluated(context: Context, variant: Variant) -> list[int]:
    record = context.records.by_run(variant.run)
    if record is None:
        raise InputError(f"{variant.name}: no record has the run id {variant.run}, so its canary cannot be judged")
    return record.evaluation.score_histogram
