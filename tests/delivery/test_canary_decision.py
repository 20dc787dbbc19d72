"""What canary analysis does with its evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bighead_ci.delivery.advance import decide
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.live import CanaryAnalysis, VariantTelemetry
from bighead_ci.documents.release import Release, Variant
from bighead_ci.documents.verdict import GateResult, RuleResult, Verdict
from bighead_ci.planning.releases import advanced

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def telemetry(version: str, requests: int) -> VariantTelemetry:
    return VariantTelemetry(
        variant=version,
        version=version,
        requests=requests,
        errors=0,
        error_ratio=0.0,
        p50_ms=1.0,
        p95_ms=2.0,
        p99_ms=3.0,
        score_mean=0.2,
        score_histogram=[0] * 20,
        null_ratio={},
    )


def analysis(seconds: float, requests: int) -> CanaryAnalysis:
    return CanaryAnalysis(
        environment="prod",
        model="m",
        weight=10,
        measured_share=10.0,
        since=NOW,
        until=NOW + timedelta(seconds=seconds),
        seconds=seconds,
        candidate=telemetry("v2", requests),
        stable=telemetry("v1", requests * 9),
        score_shift=0.0,
    )


def verdict(passed: bool) -> Verdict:
    rule = RuleResult(expression="x", message="m", passed=passed, reason="" if passed else "false", inputs=[])
    gate = GateResult(gate="g", description="", applied=True, passed=passed, rules=[rule])
    return Verdict(occasion="canary", gates=[gate])


def release() -> Release:
    def variant(version: str, digit: str, weight: int) -> Variant:
        digest = f"sha256:{digit * 64}"
        return Variant(
            version=version, image=f"local/m@{digest}", artifact=digest, run="r", commit="a" * 40, weight=weight
        )

    plan = CanaryPlan(steps=[10, 100], soak="8s", minimum_requests=200)
    return Release(variants=[variant("v1", "1", 90), variant("v2", "2", 10)], canary=plan)


@pytest.mark.parametrize(
    ("seconds", "requests", "passed", "expected"),
    [
        (8.0, 200, True, "advance"),
        (7.9, 200, True, "wait"),
        (8.0, 199, True, "wait"),
        (1.0, 50, False, "revert"),
        (60.0, 49, False, "wait"),
    ],
)
def test_a_canary_advances_after_soak_and_requests_and_reverts_as_soon_as_evidence_suffices(
    seconds: float, requests: int, passed: bool, expected: str
) -> None:
    """Passing waits for soak and requests; failing needs only enough requests to say so."""
    assert decide(release(), "10m", analysis(seconds, requests), verdict(passed)) == expected


@pytest.mark.parametrize(
    ("seconds", "keep_warm", "requests", "passed", "expected"),
    [
        (600.0, "10m", 0, True, "advance"),
        (599.0, "10m", 10_000, True, "wait"),
        (8.0, "1s", 0, True, "advance"),
        (7.0, "1s", 0, True, "wait"),
        (9.0, "10m", 200, False, "revert"),
    ],
)
def test_a_standby_is_retired_after_keep_warm_and_the_last_soak_however_few_requests_came(
    seconds: float, keep_warm: str, requests: int, passed: bool, expected: str
) -> None:
    """Errors at full traffic still take the new version back meanwhile."""
    assert decide(advanced(release()), keep_warm, analysis(seconds, requests), verdict(passed)) == expected
