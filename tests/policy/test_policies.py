"""The gates this project ships, each with evidence that passes, that fails, and with evidence left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bighead_ci.definitions.loading import load_gates
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.definitions.vocabulary import is_known
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.environment import EnvironmentDefinition, LocalEnvironment, Router
from bighead_ci.documents.live import CanaryAnalysis, VariantTelemetry
from bighead_ci.documents.record import Metric, MetricDifference, RunRecord, Slice
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.documents.report import RunningVersion
from bighead_ci.documents.verdict import GateResult, Occasion
from bighead_ci.policy.cel import evaluate, normalised
from bighead_ci.policy.chance import least_rise
from bighead_ci.policy.evidence import canary_evidence, promotion_evidence, pull_request_evidence
from bighead_ci.tasks.registry import METRICS
from fakes.histograms import unit_histogram
from fakes.record_samples import make_artifact, make_record

GATES = load_gates(DirectoryTree(Path(__file__).parents[2]))
PLAN = CanaryPlan(steps=[10, 100], soak="8s", minimum_requests=200)
PROD = LocalEnvironment(platform="local", promotes_from="staging", router=Router(port=0), canary=PLAN)


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return make_record(make_artifact(tmp_path / "artifact"), run_id="1")


def judge(name: str, occasion: Occasion, evidence: dict[str, Any]) -> GateResult:
    (result,) = [gate for gate in evaluate(GATES, occasion, evidence).gates if gate.gate == name]
    return result


def difference(metric: str, low: float, high: float, against: str = "prod") -> MetricDifference:
    middle = (low + high) / 2
    return MetricDifference(
        metric=metric,
        against=against,
        model_version="v1",
        ours=0.7 + middle,
        theirs=0.7,
        difference=middle,
        low=low,
        high=high,
        rows=100,
    )


def running(record: RunRecord, environment: str = "prod") -> RunningVersion:
    return RunningVersion(environment=environment, version="v1", weight=100, record=record)


def changed(record: RunRecord, **changes: Any) -> RunRecord:
    return record.model_copy(update={"evaluation": record.evaluation.model_copy(update=changes)})


def telemetry(**changes: Any) -> VariantTelemetry:
    values: dict[str, Any] = {
        "variant": "v1",
        "version": "v1",
        "requests": 500,
        "errors": 0,
        "error_ratio": 0.0,
        "p50_ms": 1.0,
        "p95_ms": 2.0,
        "p99_ms": 3.0,
        "least_p95_ms": 2.0,
        "score_mean": 0.4,
        "score_histogram": unit_histogram([25] * 20),
        "null_ratio": {"carrier": 0.0},
    }
    return VariantTelemetry(**(values | changes))


def analysis(candidate: VariantTelemetry, stable: VariantTelemetry, **changes: Any) -> dict[str, Any]:
    moment = datetime(2013, 10, 1, tzinfo=UTC)
    values: dict[str, Any] = {
        "environment": "prod",
        "model": "late",
        "weight": 10,
        "measured_share": 10.2,
        "since": moment,
        "until": moment + timedelta(seconds=9),
        "seconds": 9.0,
        "candidate": candidate,
        "stable": stable,
        "error_rise": least_rise((candidate.errors, candidate.requests), (stable.errors, stable.requests)),
        "score_shift": 0.01,
    }
    return canary_evidence(CanaryAnalysis(**(values | changes)), PLAN)


def test_every_shipped_gate_is_tested_here() -> None:
    """A new file in policies/ needs its cases in this module."""
    assert {gate.name for gate in GATES} == {
        "quality", "auc_floor", "accuracy_floor", "explained_floor", "quantiles_hold", "ranking_floor", "not_worse",
        "exact_conversion", "slices_hold", "slices_hold_regression", "served_before",
        "canary_errors", "canary_latency", "canary_scores",
    }  # fmt: skip


def test_a_good_first_version_passes_every_gate_of_its_pull_request(record: RunRecord) -> None:
    """Nothing runs yet, the data is whole and the metric is above its floor: all gates pass."""
    verdict = evaluate(GATES, "pull_request", pull_request_evidence(record, [], []))
    assert verdict.passed
    assert {gate.gate for gate in verdict.gates if not gate.applied} == {
        "accuracy_floor", "explained_floor", "not_worse", "quantiles_hold", "ranking_floor", "slices_hold_regression",
    }  # fmt: skip


@pytest.mark.parametrize("occasion", ["pull_request", "promotion", "canary"])
def test_without_any_evidence_every_gate_fails(occasion: Occasion) -> None:
    """An occasion without evidence passes nothing, and no gate steps aside."""
    gates = evaluate(GATES, occasion, {}).gates
    assert gates
    assert not any(gate.passed or not gate.applied for gate in gates)


def test_quality_fails_on_one_failed_expectation(record: RunRecord) -> None:
    """One failed expectation is enough, on a pull request and on a promotion."""
    failed = record.quality.results[0].model_copy(update={"success": False})
    worse = record.model_copy(update={"quality": record.quality.model_copy(update={"results": [failed]})})
    assert judge("quality", "pull_request", pull_request_evidence(record, [], [])).passed
    assert not judge("quality", "pull_request", pull_request_evidence(worse, [], [])).passed


@pytest.mark.parametrize(("low", "passes"), [(0.60, True), (0.599, False)])
def test_auc_floor_judges_the_low_end(record: RunRecord, low: float, passes: bool) -> None:
    """A binary model's interval must lie above the floor."""
    weak = changed(record, metrics={"auc": Metric(value=0.7, low=low, high=0.8)})
    assert judge("auc_floor", "pull_request", pull_request_evidence(weak, [], [])).passed is passes


@pytest.mark.parametrize(("value", "passes"), [(0.7, True), (0.69, False)])
def test_accuracy_floor_judges_models_of_many_classes(record: RunRecord, value: float, passes: bool) -> None:
    """Three classes make it apply."""
    measured = {"accuracy": Metric(value=value, low=0, high=1)}
    digits = changed(record, metrics=measured).model_copy(update={"task": "multiclass"})
    result = judge("accuracy_floor", "pull_request", pull_request_evidence(digits, [], []))
    assert (result.applied, result.passed) == (True, passes)


@pytest.mark.parametrize(("low", "passes"), [(-0.01, True), (-0.011, False), (0.02, True)])
def test_not_worse_judges_the_paired_difference(record: RunRecord, low: float, passes: bool) -> None:
    """The low end of the difference against prod decides, whatever staging says."""
    found = [difference("auc", low, 0.05), difference("auc", -0.5, -0.4, "staging")]
    evidence = pull_request_evidence(record, found, [running(record), running(record, "staging")])
    assert judge("not_worse", "pull_request", evidence).passed is passes


def test_not_worse_knows_which_metrics_should_fall(record: RunRecord) -> None:
    """A log loss that certainly falls is a gain; one that may rise by 0.05 is not accepted."""
    losses = changed(record, primary="log_loss", metrics={"log_loss": Metric(value=0.5, low=0.4, high=0.6)})
    better = pull_request_evidence(losses, [difference("log_loss", -0.2, -0.1)], [running(record)])
    worse = pull_request_evidence(losses, [difference("log_loss", -0.2, 0.05)], [running(record)])
    assert judge("not_worse", "pull_request", better).passed
    assert not judge("not_worse", "pull_request", worse).passed


def minutes(record: RunRecord, **metrics: float) -> RunRecord:
    """A regression that is off by twenty minutes, with an R² of 0.2."""
    values = {"mae": 20.0, "r2": 0.2} | metrics
    found = {name: Metric(value=value, low=value - 0.05, high=value + 0.05) for name, value in values.items()}
    return changed(record, primary="mae", metrics=found).model_copy(update={"task": "regression"})


@pytest.mark.parametrize(("high", "passes"), [(0.19, True), (0.21, False), (-1.0, True)])
def test_not_worse_lets_an_error_in_minutes_grow_by_a_hundredth(record: RunRecord, high: float, passes: bool) -> None:
    """Of twenty minutes a fifth of one, where a share of rows may lose 0.01."""
    model = minutes(record)
    evidence = pull_request_evidence(model, [difference("mae", -2.0, high)], [running(model)])
    assert judge("not_worse", "pull_request", evidence).passed is passes


@pytest.mark.parametrize(("r2", "passes"), [(0.06, True), (0.04, False)])
def test_explained_floor_wants_more_than_the_mean(record: RunRecord, r2: float, passes: bool) -> None:
    """The low end of R² is above 0; a classifier has none and is not asked."""
    evidence = pull_request_evidence(minutes(record, r2=r2), [], [])
    assert judge("explained_floor", "pull_request", evidence).passed is passes
    assert not judge("explained_floor", "pull_request", pull_request_evidence(record, [], [])).applied


@pytest.mark.parametrize(("low", "passes"), [(0.5, True), (0.49, False)])
def test_ranking_floor_judges_the_low_end(record: RunRecord, low: float, passes: bool) -> None:
    """An order's interval must lie above the floor; other tasks are not asked."""
    ranked = changed(record, primary="ndcg", metrics={"ndcg": Metric(value=0.6, low=low, high=0.7)})
    evidence = pull_request_evidence(ranked.model_copy(update={"task": "ranking"}), [], [])
    assert judge("ranking_floor", "pull_request", evidence).passed is passes
    assert not judge("ranking_floor", "pull_request", pull_request_evidence(record, [], [])).applied


@pytest.mark.parametrize(("error", "passes"), [(0.04, True), (0.06, False)])
def test_quantiles_hold_where_there_are_some(record: RunRecord, error: float, passes: bool) -> None:
    """The high end of the coverage error is within 0.1; a regression without quantiles is not asked."""
    model = minutes(record, coverage_error=error)
    assert judge("quantiles_hold", "pull_request", pull_request_evidence(model, [], [])).passed is passes
    assert not judge("quantiles_hold", "pull_request", pull_request_evidence(minutes(record), [], [])).applied


@pytest.mark.parametrize(("rows", "value", "passes"), [(300, 40.0, True), (300, 41.0, False), (299, 90.0, True)])
def test_slices_hold_of_a_regression_lets_an_error_double(
    record: RunRecord, rows: int, value: float, passes: bool
) -> None:
    """Errors differ with the labels; the bound of shares does not apply."""
    part = Slice(column="origin", value="EWR", rows=rows, metrics={"mae": Metric(value=value, low=0, high=99)})
    evidence = pull_request_evidence(changed(minutes(record), slices=[part]), [], [])
    assert judge("slices_hold_regression", "pull_request", evidence).passed is passes
    assert not judge("slices_hold", "pull_request", evidence).applied


def test_not_worse_fails_without_the_difference(record: RunRecord) -> None:
    """Something runs but no rows could be compared: that is missing evidence, not a pass."""
    result = judge("not_worse", "pull_request", pull_request_evidence(record, [], [running(record)]))
    assert "missing evidence: running.prod.gain.auc.low" in result.rules[0].reason


@pytest.mark.parametrize(("error", "passes"), [(1e-4, True), (2e-4, False), (float("nan"), False)])
def test_exact_conversion_bounds_the_largest_difference(record: RunRecord, error: float, passes: bool) -> None:
    """Scores may move by a ten-thousandth; an unknown difference fails."""
    evidence = pull_request_evidence(changed(record, conversion_error=error), [], [])
    assert judge("exact_conversion", "pull_request", evidence).passed is passes


@pytest.mark.parametrize(
    ("rows", "value", "passes"), [(300, 0.57, True), (300, 0.55, False), (299, 0.1, True), (300, float("nan"), True)]
)
def test_slices_hold_on_large_slices(record: RunRecord, rows: int, value: float, passes: bool) -> None:
    """A large slice may fall 0.15 short; small ones and undefined metrics are not judged."""
    part = Slice(column="origin", value="EWR", rows=rows, metrics={"auc": Metric(value=value, low=0, high=1)})
    assert (
        judge("slices_hold", "pull_request", pull_request_evidence(changed(record, slices=[part]), [], [])).passed
        is passes
    )


@pytest.mark.parametrize(
    ("metric", "value", "passes"),
    [("log_loss", 0.64, True), ("log_loss", 0.66, False), ("log_loss", 0.1, True), ("auc", 0.1, False)],
)
def test_slices_hold_reads_which_way_the_metric_is_good(
    record: RunRecord, metric: str, value: float, passes: bool
) -> None:
    """A slice's log loss may lie 0.15 above the whole's, and any way below it."""
    part = Slice(column="origin", value="EWR", rows=300, metrics={metric: Metric(value=value, low=0, high=1)})
    measured = changed(record, slices=[part], primary=metric, metrics={metric: Metric(value=0.5, low=0.4, high=0.6)})
    result = judge("slices_hold", "pull_request", pull_request_evidence(measured, [], []))
    assert result.passed is passes
    direction = [one.value for one in result.rules[0].inputs if one.path[-1] == "higher_is_better"]
    assert direction == [str(METRICS[metric].higher_is_better).lower()]


def test_a_metric_that_nobody_knows_has_no_direction(record: RunRecord) -> None:
    """A record of another engine may hold one: neither a gain nor a direction is made up for it."""
    odd = changed(record, metrics={"lift": Metric(value=2.0, low=1.0, high=3.0)})
    evidence = pull_request_evidence(odd, [difference("lift", 0.1, 0.2)], [running(record)])
    assert evidence["candidate"]["metrics"]["lift"] == {"value": 2.0, "low": 1.0, "high": 3.0}
    assert evidence["running"]["prod"]["gain"] == {}


def promotion(record: RunRecord, definition: EnvironmentDefinition, serving_in: list[str]) -> dict[str, Any]:
    return promotion_evidence(
        record, [], [], environment="prod", definition=definition, serving_in=serving_in, first_release=True, weight=100
    )


def test_served_before_wants_the_environment_before(record: RunRecord) -> None:
    """Prod asks for staging; the first environment asks for nothing."""
    assert judge("served_before", "promotion", promotion(record, PROD, ["staging"])).passed
    assert not judge("served_before", "promotion", promotion(record, PROD, [])).passed
    first = PROD.model_copy(update={"promotes_from": None})
    assert judge("served_before", "promotion", promotion(record, first, [])).applied is False


@pytest.mark.parametrize(
    ("gate", "candidate", "stable", "changes", "passes"),
    [
        ("canary_errors", {"errors": 1, "requests": 50}, {}, {}, True),
        ("canary_errors", {"errors": 5, "requests": 50}, {}, {}, False),
        ("canary_errors", {"errors": 5, "requests": 50}, {"errors": 50}, {}, True),
        ("canary_errors", {"errors": 10}, {}, {}, True),
        ("canary_errors", {"errors": 40}, {}, {}, False),
        ("canary_errors", {}, {"requests": 0, "error_ratio": float("nan")}, {"weight": 100}, True),
        ("canary_errors", {"errors": 40}, {"requests": 0, "error_ratio": float("nan")}, {"weight": 100}, False),
        ("canary_latency", {"least_p95_ms": 52.0}, {"p95_ms": 2.0}, {}, True),
        ("canary_latency", {"least_p95_ms": 52.1}, {"p95_ms": 2.0}, {}, False),
        ("canary_latency", {"least_p95_ms": 240.0}, {"p95_ms": 80.0}, {}, True),
        ("canary_latency", {"p95_ms": 900.0, "least_p95_ms": 52.0}, {"p95_ms": 2.0}, {}, True),
        ("canary_latency", {"least_p95_ms": 2.0}, {"p95_ms": float("nan")}, {}, False),
        ("canary_latency", {"least_p95_ms": 900.0}, {"p95_ms": 0.0, "requests": 0}, {"weight": 100}, True),
        ("canary_latency", {"least_p95_ms": 502.0}, {"p95_ms": 2.0}, {"weight": 100}, True),
        ("canary_latency", {"least_p95_ms": 502.1}, {"p95_ms": 2.0}, {"weight": 100}, False),
        ("canary_latency", {"least_p95_ms": 800.0}, {"p95_ms": 80.0}, {"weight": 100}, True),
        ("canary_scores", {}, {}, {"weight": 100, "score_shift": 0.21}, True),
        ("canary_scores", {"null_ratio": {"carrier": 0.3}}, {}, {"weight": 100}, False),
        ("canary_scores", {"null_ratio": {"carrier": 0.3}}, {"requests": 0}, {"weight": 100}, True),
        ("canary_scores", {}, {}, {"score_shift": 0.2}, True),
        ("canary_scores", {}, {}, {"score_shift": 0.21}, False),
        ("canary_scores", {}, {}, {"score_shift": float("nan")}, False),
        ("canary_scores", {"null_ratio": {"carrier": 0.2, "new": 1.0}}, {}, {}, True),
        ("canary_scores", {"null_ratio": {"carrier": 0.3}}, {"null_ratio": {"carrier": 0.05}}, {}, False),
    ],
)
def test_canary_gates(
    gate: str, candidate: dict[str, Any], stable: dict[str, Any], changes: dict[str, Any], passes: bool
) -> None:
    """Each canary gate at its bounds, with figures missing, and once the old version has no traffic."""
    evidence = analysis(telemetry(**candidate), telemetry(**stable), **changes)
    assert judge(gate, "canary", evidence).passed is passes


def paths(value: Any, steps: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        return [path for key, item in value.items() for path in paths(item, (*steps, key))]
    return [steps]


def test_evidence_has_only_paths_of_the_vocabulary(record: RunRecord) -> None:
    """What the builders make is what `check` lets rules name, on every occasion."""
    found = [difference("auc", 0.0, 0.1)]
    promoted = promotion_evidence(
        record, found, [running(record)], environment="prod", definition=PROD, serving_in=["staging"],
        first_release=False, weight=10, from_seconds=9.0, from_requests=5, from_weight=100,
    )  # fmt: skip
    occasions: dict[Occasion, dict[str, Any]] = {
        "pull_request": pull_request_evidence(record, found, [running(record)]),
        "promotion": promoted,
        "canary": analysis(telemetry(), telemetry()),
    }
    for occasion, evidence in occasions.items():
        strangers = [path for path in paths(normalised(evidence)) if not is_known(occasion, path)]
        assert strangers == []


def test_an_environment_whose_record_is_gone_is_not_taken_for_empty(record: RunRecord) -> None:
    """Prod serves, but nobody knows how well: a comparison with it fails, and none with staging stands in for it."""
    stable = Variant(
        version="v1", image=record.image, artifact=record.artifact, run="lost", commit=record.commit, weight=100
    )
    lost = PlacedRelease(environment="prod", model="late", release=Release(variants=[stable], canary=PROD.canary))
    better = [difference("auc", 0.0, 0.1).model_copy(update={"against": "staging"})]
    evidence = pull_request_evidence(record, better, [running(record, "staging")], [lost])
    assert judge("not_worse", "pull_request", evidence).rules[0].reason == "missing evidence: running.prod.gain.auc.low"
    assert judge(
        "not_worse", "pull_request", evidence | {"running": {"staging": evidence["running"]["staging"]}}
    ).passed


@pytest.mark.parametrize("gate", ["canary_latency", "canary_scores"])
def test_a_candidate_whose_process_says_nothing_does_not_pass(gate: str) -> None:
    """It answered, by the router, but its latencies, scores and nulls are unknown: zeros in their place would pass."""
    silent = telemetry(requests=500, errors=2, p95_ms=0.0, score_histogram=unit_histogram([0] * 20), null_ratio={})
    result = judge(gate, "canary", analysis(silent, telemetry()))
    assert not result.passed
    assert all(rule.reason.startswith("missing evidence: analysis.") for rule in result.rules)
