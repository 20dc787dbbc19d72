"""Realistic reports of releases: promotions, canary steps, the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bighead_ci.documents.live import CanaryAnalysis, VariantTelemetry
from bighead_ci.documents.report import (
    PromotionReport,
)
from bighead_ci.documents.verdict import Verdict
from fakes.reports.pull_requests import (
    COLUMNS,
    NOW,
    REQUEST,
    V1_AUC,
    differences,
    digest,
    gate,
    histogram,
    image,
    record,
    rule,
    verdict,
)


def _telemetry(version: str, requests: int, errors: int, peak: float, p99: float) -> VariantTelemetry:
    return VariantTelemetry(
        variant=f"{version}-{digest(version)[7:15]}", version=version, requests=requests, errors=errors,
        error_ratio=errors / requests, p50_ms=1.4, p95_ms=3.9, p99_ms=p99, least_p95_ms=3.5, score_mean=peak,
        score_histogram=histogram(peak, 0.12, requests),
        null_ratio={c: round(i * (0.011 if version == "v2" else 0.004), 4) for i, c in enumerate(COLUMNS)},
    )  # fmt: skip


def analysis(*, failing: bool = False, weight: int = 10) -> CanaryAnalysis:
    return CanaryAnalysis(
        environment="prod", model="flight_delay", weight=weight, measured_share=weight + 0.4,
        since=NOW - timedelta(seconds=600), until=NOW, seconds=600.0,
        candidate=_telemetry("v2", 1_204, 61 if failing else 1, 0.31 if failing else 0.23, 41.0 if failing else 6.2),
        stable=_telemetry("v1", 10_388, 8, 0.22, 5.9),
        stable_step="before" if weight == 100 else "present", error_rise=0.033 if failing else 0.0,
        score_shift=0.34 if failing else 0.02,
    )  # fmt: skip


def canary_verdict(*, failing: bool = False) -> Verdict:
    broken = "false" if failing else ""
    return Verdict(
        occasion="canary",
        gates=[
            gate("canary_errors", "The candidate answers.",
                  rule("candidate.error_ratio <= stable.error_ratio + 0.01",
                        "The candidate's errors must not exceed the stable's by more than 1 %.", broken,
                        candidate__error_ratio="0.0507" if failing else "0.0008", stable__error_ratio="0.0008")),
            gate("canary_latency", "Fast enough.",
                  rule("candidate.p99_ms <= 3.0 * stable.p99_ms", "p99 must stay below three times the stable's.",
                        broken, candidate__p99_ms="41.0" if failing else "6.2", stable__p99_ms="5.9")),
            gate("canary_scores", "It says much the same.",
                  rule("score_shift < 0.4", "Scores must not shift by 0.4 or more.",
                        score_shift="0.34" if failing else "0.02")),
        ],
    )  # fmt: skip


_DIFF = """\
--- a/environments/prod/flight_delay.yaml
+++ b/environments/prod/flight_delay.yaml
@@ -1,9 +1,17 @@
 variants:
   - version: v1
     artifact: sha256:aa17…
-    weight: 100
+    weight: 90
+  - version: v2
+    artifact: sha256:3f2a…
+    weight: 10
 canary:
   steps: [10, 50, 100]
"""

_BACK = """\
--- a/environments/prod/flight_delay.yaml
+++ b/environments/prod/flight_delay.yaml
@@ -1,17 +1,9 @@
 variants:
   - version: v1
     artifact: sha256:aa17…
-    weight: 50
-  - version: v2
-    artifact: sha256:3f2a…
-    weight: 50
+    weight: 100
 canary:
   steps: [10, 50, 100]
"""

_RETIRE = """\
--- a/environments/prod/flight_delay.yaml
+++ b/environments/prod/flight_delay.yaml
@@ -1,9 +1,6 @@
 variants:
-  - version: v1
-    artifact: sha256:aa17…
-    weight: 0
   - version: v2
     artifact: sha256:3f2a…
     weight: 100
 canary:
   steps: [10, 50, 100]
"""

_SETTINGS = """\
--- a/environments/prod/flight_delay.yaml
+++ b/environments/prod/flight_delay.yaml
@@ -4,4 +4,4 @@
     weight: 100
 canary:
-  steps: [10, 50, 100]
+  steps: [5, 100]
   soak: 10m
"""

_REMOVE = """\
--- a/environments/prod/flight_delay.yaml
+++ /dev/null
@@ -1,6 +0,0 @@
-variants:
-  - version: v2
-    artifact: sha256:3f2a…
-    weight: 100
-canary:
-  steps: [10, 50, 100]
"""


def promotion(**changes: Any) -> PromotionReport:
    fields: dict[str, Any] = {
        "environment": "prod",
        "model": "flight_delay",
        "move": "promote",
        "summary": "v1 → v2 (canary 10 %)",
        "weight_before": 0,
        "weight_after": 10,
        "at": NOW,
        "verdict": verdict(occasion="promotion"),
        "differences": differences(0.741, ["prod"], V1_AUC),
        "record": record("v2", 0.741),
        "diff": _DIFF,
        "commits": [
            "2f9a3c41d0 flight_delay v2: weather and fleet age (Ada)",
            "91be0c77aa carrier_delays: one-day window (Grace)",
        ],
        "plan_steps": [10, 50, 100],
        "soak": "10m",
        "analysis": None,
        "rollback": "bighead rollback flight_delay --env prod",
        "approvals_needed": 1,
        "approvals_because": "environments/prod/environment.yaml: approvals",
        "image": image("flight_delay/v2"),
        "artifact": digest("artifact flight_delay/v2"),
        "request": REQUEST,
    }
    return PromotionReport(**{**fields, **changes})


def advance() -> PromotionReport:
    return promotion(
        move="advance",
        summary="v2 10 % → 50 %",
        weight_before=10,
        weight_after=50,
        verdict=canary_verdict(),
        analysis=analysis(),
        approvals_needed=0,
        approvals_because="authorised by the approved promotion",
        diff=_DIFF.replace("+    weight: 10", "-    weight: 10\n+    weight: 50"),
    )


def rollback() -> PromotionReport:
    return promotion(
        move="rollback",
        summary="canary of v2 ends, v1 serves alone",
        weight_before=50,
        weight_after=0,
        verdict=canary_verdict(failing=True),
        diff=_BACK,
        analysis=analysis(failing=True, weight=50),
        differences=[],
        record=record("v1", V1_AUC),
        commits=[],
        image=image("flight_delay/v1"),
        artifact=digest("artifact flight_delay/v1"),
        approvals_needed=0,
        approvals_because="a rollback needs nobody",
    )


def retire() -> PromotionReport:
    return promotion(
        move="retire",
        summary="v1 leaves, v2 serves alone",
        weight_before=100,
        weight_after=100,
        verdict=canary_verdict(),
        analysis=analysis(weight=100),
        differences=[],
        commits=[],
        diff=_RETIRE,
        approvals_needed=0,
        approvals_because="authorised by the approved promotion",
    )


def settings() -> PromotionReport:
    """The canary plan is edited while no canary is under way."""
    return promotion(
        move="settings",
        summary="canary plan changes (10 % → 50 % → 100 % → 5 % → 100 %)",
        weight_before=100,
        weight_after=100,
        verdict=Verdict(occasion="promotion", gates=[]),
        differences=[],
        commits=[],
        diff=_SETTINGS,
        plan_steps=[5, 100],
    )


def remove() -> PromotionReport:
    """A release is deleted."""
    return promotion(
        move="remove",
        summary="v2 no longer serves",
        weight_before=100,
        weight_after=0,
        verdict=Verdict(occasion="promotion", gates=[]),
        differences=[],
        record=None,
        commits=[],
        diff=_REMOVE,
        image=None,
        artifact=None,
        request={},
    )
