"""Measures what variants did at their present weights, and a canary under way with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.release import ALL, Release, Variant, process_name
from bighead_ci.documents.telemetry import Measurement
from bighead_ci.errors import InputError, RetryError
from bighead_ci.policy.canary import Arm, analyse
from bighead_ci.ports.telemetry import Telemetry


def measure(
    context: Context, desired: Desired, environment: str, model: str, variants: Sequence[Variant]
) -> Measurement:
    """What variants of a model did since the weights that it has in an environment are in force.

    Raises:
        RetryError: the platform gives it no traffic or cannot tell since when, or something does not answer.
    """
    since, _ = _in_force(context, desired, environment, model)
    return _telemetry(context, desired, environment).measure(model, _names(model, variants), since)


def analyse_canary(
    context: Context, desired: Desired, environment: str, model: str, release: Release
) -> CanaryAnalysis:
    """Candidate against stable at the present weights; against the step before once the stable has none.

    Raises:
        InputError: a variant's record is gone.
        RetryError: as for `measure`.
    """
    stable, candidate = release.variants[0], release.variants[-1]
    arms = (_arm(context, model, stable), _arm(context, model, candidate))
    since, before = _in_force(context, desired, environment, model)
    telemetry = _telemetry(context, desired, environment)
    measured = telemetry.measure(model, _names(model, release.variants), since)
    step_before: Measurement | None = None
    if candidate.weight == ALL and before is not None:
        with suppress(RetryError):  # its samples are gone: the gates say what they do without
            step_before = telemetry.measure(model, _names(model, [stable]), before, since)
    return analyse(environment, model, candidate.weight, *arms, measured, step_before)


def _in_force(context: Context, desired: Desired, environment: str, model: str) -> tuple[datetime, datetime | None]:
    """Since when the present weights are in force, and since when those before them were."""
    observed = context.platform(environment, desired.environment(environment)).observe()
    live = next((one for one in observed if one.model == model), None)
    if live is None or live.since is None:
        raise RetryError(f"no weights of {environment}/{model} are in force yet; reconcile first")
    return live.since, live.before


def _telemetry(context: Context, desired: Desired, environment: str) -> Telemetry:
    return context.telemetry(environment, desired.environment(environment))


def _names(model: str, variants: Sequence[Variant]) -> list[str]:
    return [process_name(model, variant) for variant in variants]


def _arm(context: Context, model: str, variant: Variant) -> Arm:
    record = context.records.by_run(variant.run)
    if record is None:
        raise InputError(f"{variant.name}: no record has the run id {variant.run}, so its canary cannot be judged")
    return Arm(process_name(model, variant), variant.version, record.evaluation.score_histogram)
