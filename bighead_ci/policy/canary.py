"""Judges a canary: what was measured of candidate and stable, compared beyond chance; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from bighead_ci.documents.definition import duration
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.live import CanaryAnalysis, VariantTelemetry
from bighead_ci.documents.release import ALL, Release
from bighead_ci.documents.telemetry import Measurement, VariantCounts
from bighead_ci.documents.verdict import Verdict
from bighead_ci.policy.chance import least_rise, least_share
from bighead_ci.policy.histogram import mean, population_stability_index, quantile

EARLY_REQUESTS = 50
"""A candidate that fails its gates over this many requests is stopped without waiting for the soak to end; over fewer,
whatever the plan's number, only then."""

Decision = Literal["wait", "advance", "revert"]


@dataclass(frozen=True)
class Arm:
    """One side of a canary."""

    process: str
    """Its name in the measurement."""
    version: str
    evaluated: Histogram
    """Scores of its own evaluation, by bin: they tell a version that scores differently on purpose from one that
    sees the world differently."""


def analyse(
    environment: str,
    model: str,
    weight: int,
    stable: Arm,
    candidate: Arm,
    measured: Measurement,
    step_before: Measurement | None = None,
) -> CanaryAnalysis:
    """Compare candidate and stable.

    Once the new variant has all the traffic, what still reaches the old one are strays that were under way: a sample of
    one or two would make any share of errors look like chance. The old one's figures are then those of the step before.

    Args:
        environment: Where the canary runs.
        model: Of which model.
        weight: The candidate's by git, in percent.
        stable: The variant that served before.
        candidate: The variant that comes in.
        measured: Counts of both at the present weights.
        step_before: Counts of the stable at the weights before these; None where they are not known. Looked at only
            where the candidate has all the traffic.
    """
    after, strays = measured.variants[candidate.process], measured.variants[stable.process]
    alone = weight == ALL
    before = strays
    if alone:
        before = step_before.variants[stable.process] if step_before else VariantCounts()
    total = strays.requests + after.requests
    fewer = min(before.scores.total, after.scores.total)
    shifts = [
        population_stability_index(arm.evaluated.counts, counts.scores.counts, sample=fewer)
        for arm, counts in ((stable, before), (candidate, after))
    ]
    return CanaryAnalysis(
        environment=environment,
        model=model,
        weight=weight,
        measured_share=100.0 * after.requests / total if total else 0.0,
        since=measured.since,
        until=measured.until,
        seconds=(measured.until - measured.since).total_seconds(),
        candidate=figures(candidate, after),
        stable=figures(stable, before),
        stable_step="before" if alone else "present",
        error_rise=least_rise((after.errors, after.requests), (before.errors, before.requests)),
        score_shift=max(0.0, shifts[1] - shifts[0]),
    )


def figures(arm: Arm, counts: VariantCounts) -> VariantTelemetry:
    """What the counts of one variant come to."""
    return VariantTelemetry(
        variant=arm.process,
        version=arm.version,
        requests=counts.requests,
        errors=counts.errors,
        error_ratio=counts.errors / counts.requests if counts.requests else 0.0,
        p50_ms=_milliseconds(counts.seconds, 0.5),
        p95_ms=_milliseconds(counts.seconds, 0.95),
        p99_ms=_milliseconds(counts.seconds, 0.99),
        least_p95_ms=_milliseconds(counts.seconds, least_share(0.95, sum(counts.seconds.counts))),
        score_mean=mean(counts.score_sum, counts.scores.total),
        score_histogram=counts.scores,
        null_ratio={
            name: min(1.0, count / counts.answers) if counts.answers else 0.0 for name, count in counts.nulls.items()
        },
    )


def decide(release: Release, keep_warm: str, analysis: CanaryAnalysis, verdict: Verdict) -> Decision:
    """What the evidence allows.

    Failing gates stop a canary as soon as there are enough requests to say so; passing ones let it go on only after the
    soak and the plan's number of requests. A standby is retired after `keep_warm`, however few requests came.
    """
    least = duration(release.canary.soak)
    if release.standby is not None:
        least = max(least, duration(keep_warm))
    soaked = timedelta(seconds=analysis.seconds) >= least
    enough = release.standby is not None or analysis.candidate.requests >= release.canary.minimum_requests
    telling = min(EARLY_REQUESTS, release.canary.minimum_requests) if soaked else EARLY_REQUESTS
    if not verdict.passed and analysis.candidate.requests >= telling:
        return "revert"
    return "advance" if verdict.passed and soaked and enough else "wait"


def describe(release: Release, keep_warm: str, analysis: CanaryAnalysis) -> str:
    """Where a canary stands, for people."""
    if release.standby is not None:
        return f"{release.standby.version} stays ready for {analysis.seconds:.0f} s of {keep_warm}"
    return (
        f"{analysis.weight} % for {analysis.seconds:.0f} s of {release.canary.soak}, {analysis.candidate.requests} of "
        f"{release.canary.minimum_requests} requests, measured {analysis.measured_share:.1f} %"
    )


def _milliseconds(seconds: Histogram, share: float) -> float:
    bounds = [*seconds.bounds, float("inf")] if seconds.counts else []
    return 1000 * quantile(list(zip(bounds, seconds.counts, strict=True)), share)
