"""Measures what variants did at their present weights, and a canary under way with it."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, process_name
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.release import Release, Variant
from bighead_ci.documents.telemetry import Measurement
from bighead_ci.errors import InputError, RetryError
from bighead_ci.policy.canary import Arm, analyse


def measure(
    context: Context, desired: Desired, environment: str, model: str, variants: Sequence[Variant]
) -> Measurement:
    """What variants of a model did since the weights that it has in an environment are in force.

    Raises:
        RetryError: the platform gives it no traffic or cannot tell since when, or something does not answer.
    """
    definition = desired.environment(environment)
    observed = context.platform(environment, definition).observe()
    live = next((one for one in observed if one.model == model), None)
    if live is None or live.since is None:
        raise RetryError(f"no weights of {environment}/{model} are in force yet; reconcile first")
    names = [process_name(model, variant) for variant in variants]
    return context.telemetry(environment, definition).measure(model, names, live.since)


def analyse_canary(
    context: Context, desired: Desired, environment: str, model: str, release: Release
) -> CanaryAnalysis:
    """Candidate against stable at the present weights.

    Raises:
        InputError: a variant's record is gone.
        RetryError: as for `measure`.
    """
    stable, candidate = release.variants[0], release.variants[-1]
    arms = (_arm(context, model, stable), _arm(context, model, candidate))
    measured = measure(context, desired, environment, model, release.variants)
    return analyse(environment, model, candidate.weight, *arms, measured)


def _arm(context: Context, model: str, variant: Variant) -> Arm:
    record = context.records.by_run(variant.run)
    if record is None:
        raise InputError(f"{variant.name}: no record has the run id {variant.run}, so its canary cannot be judged")
    return Arm(process_name(model, variant), variant.version, record.evaluation.score_histogram)
