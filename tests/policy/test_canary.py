"""What is made of the figures of a canary: the comparison, and what is decided."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.live import CanaryAnalysis
from bighead_ci.documents.release import Release, Variant
from bighead_ci.documents.telemetry import Measurement, VariantCounts
from bighead_ci.documents.verdict import GateResult, RuleResult, Verdict
from bighead_ci.planning.releases import advanced
from bighead_ci.policy.canary import Arm, analyse, decide, describe
from fakes.histograms import unit_histogram

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BINS = st.lists(st.integers(0, 2_000), min_size=20, max_size=20)
UNIFORM = unit_histogram([100] * 20)


@st.composite
def counts(draw: st.DrawFn) -> VariantCounts:
    """What a variant may have counted, as consistent as a router and a process can be."""
    scores = draw(BINS)
    answers = sum(scores)
    errors = draw(st.integers(0, 2_000))
    slow = draw(st.integers(0, answers))
    return VariantCounts(
        requests=answers + errors,
        errors=errors,
        answers=answers,
        seconds=Histogram(bounds=[0.001, 0.01], counts=[answers - slow, slow, 0]) if answers else Histogram(),
        scores=unit_histogram(scores),
        score_sum=answers * draw(st.floats(0, 1)),
        nulls={"distance": draw(st.integers(0, answers))},
    )


def analysed(
    stable: VariantCounts,
    candidate: VariantCounts,
    *,
    evaluated: tuple[Histogram, Histogram] = (UNIFORM, UNIFORM),
    seconds: float = 9.0,
    weight: int = 10,
    step_before: VariantCounts = VariantCounts(),  # noqa: B008 - frozen
) -> CanaryAnalysis:
    measured = Measurement(
        since=NOW, until=NOW + timedelta(seconds=seconds), variants={"m-v1": stable, "m-v2": candidate}
    )
    before = Measurement(since=NOW - timedelta(seconds=seconds), until=NOW, variants={"m-v1": step_before})
    arms = Arm("m-v1", "v1", evaluated[0]), Arm("m-v2", "v2", evaluated[1])
    return analyse("prod", "m", weight, *arms, measured, before)


def drawn(low: float, high: float, number: int, seed: int = 7) -> Histogram:
    """A histogram of so many scores between two bounds."""
    found = np.histogram(np.random.default_rng(seed).uniform(low, high, number), 20, (0, 1))[0]
    return unit_histogram([int(count) for count in found])


def test_the_figures_of_a_variant_are_worked_from_its_counts() -> None:
    """Ratios over requests or answers, quantiles in milliseconds, and the span that was measured."""
    candidate = VariantCounts(
        requests=10,
        errors=2,
        answers=8,
        seconds=Histogram(bounds=[0.001, 0.002], counts=[4, 4, 0]),
        scores=unit_histogram([8, *[0] * 19]),
        score_sum=0.2,
        nulls={"distance": 2, "delay": 0},
    )
    found = analysed(VariantCounts(requests=90, answers=90), candidate, seconds=8.5)
    assert (found.seconds, found.measured_share, found.weight) == (8.5, 10.0, 10)
    newcomer = found.candidate
    assert (newcomer.variant, newcomer.version, newcomer.requests, newcomer.errors) == ("m-v2", "v2", 10, 2)
    assert newcomer.error_ratio == 0.2
    assert newcomer.p50_ms == pytest.approx(1.0)
    assert newcomer.p95_ms == pytest.approx(1.9)
    assert newcomer.score_mean == pytest.approx(0.025)
    assert newcomer.null_ratio == {"distance": 0.25, "delay": 0.0}


def test_a_p95_is_beyond_chance_only_with_a_sample() -> None:
    """Four slow answers of 50 may be chance; 400 of 5,000 are not."""
    few, many = (
        analysed(VariantCounts(), VariantCounts(requests=n, answers=n, seconds=histogram)).candidate
        for n in (50, 5_000)
        for histogram in (Histogram(bounds=[0.002, 1.0], counts=[n * 92 // 100, n * 8 // 100, 0]),)
    )
    assert few.p95_ms == many.p95_ms == pytest.approx(376, abs=1)
    assert few.least_p95_ms < 2.0
    assert many.least_p95_ms > 200.0


def test_nothing_measured_compares_as_nothing() -> None:
    """Zeros, not a division by zero."""
    found = analysed(VariantCounts(), VariantCounts())
    assert (found.measured_share, found.error_rise, found.score_shift) == (0.0, 0.0, 0.0)
    assert (found.candidate.error_ratio, found.candidate.p99_ms, found.candidate.score_mean) == (0.0, 0.0, 0.0)


@given(counts(), counts(), BINS, BINS)
def test_every_figure_is_finite_and_in_its_range(
    stable: VariantCounts, candidate: VariantCounts, before: list[int], after: list[int]
) -> None:
    """Whatever was counted, gates get numbers that they can compare."""
    found = analysed(stable, candidate, evaluated=(unit_histogram(before), unit_histogram(after)))
    assert 0 <= found.measured_share <= 100
    assert 0 <= found.error_rise <= 1
    assert 0 <= found.score_shift < math.inf
    for side in (found.stable, found.candidate):
        assert 0 <= side.error_ratio <= 1
        assert 0 <= side.p50_ms <= side.p95_ms <= side.p99_ms <= 10
        assert 0 <= side.least_p95_ms <= side.p95_ms
        assert all(0 <= ratio <= 1 for ratio in side.null_ratio.values())


@given(counts(), BINS)
def test_two_variants_that_did_the_same_do_not_differ(both: VariantCounts, evaluated: list[int]) -> None:
    """The same counts and the same evaluation: no rise and no shift, however far both are off their evaluation."""
    found = analysed(both, both, evaluated=(unit_histogram(evaluated), unit_histogram(evaluated)))
    assert (found.error_rise, found.score_shift) == (0.0, 0.0)


@given(counts(), counts(), st.integers(1, 2_000))
def test_more_errors_are_never_a_smaller_rise(stable: VariantCounts, candidate: VariantCounts, more: int) -> None:
    """Errors in place of good answers only ever raise it."""
    turned = min(more, candidate.requests - candidate.errors)
    worse = candidate.model_copy(update={"errors": candidate.errors + turned})
    assert analysed(stable, worse).error_rise >= analysed(stable, candidate).error_rise


@pytest.mark.parametrize("strays", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("errors", [0, 320])
def test_strays_of_the_old_version_hide_no_errors_at_full_traffic(strays: int, errors: int) -> None:
    """A third of 950 answers wrong is a rise of more than a quarter, however few requests were still under way."""
    candidate = VariantCounts(requests=950, errors=errors, answers=950 - errors)
    found = analysed(VariantCounts(requests=strays, answers=strays), candidate, weight=100)
    assert found.error_rise > 0.29 if errors else found.error_rise == 0
    assert found.stable.requests == 0


def test_at_full_traffic_the_old_version_is_what_it_was_in_the_step_before() -> None:
    """As many errors as then are no rise, and its figures are of that step; the share of requests is of this one."""
    stray = VariantCounts(requests=1, errors=1)
    then = VariantCounts(requests=1_000, errors=300, answers=700, scores=UNIFORM)
    found = analysed(stray, VariantCounts(requests=999, errors=310, answers=689), weight=100, step_before=then)
    assert (found.stable_step, found.stable.requests, found.error_rise) == ("before", 1_000, 0.0)
    assert found.measured_share == 99.9
    half = analysed(stray, VariantCounts(requests=999), weight=50, step_before=then)
    assert (half.stable_step, half.stable.requests) == ("present", 1)


def test_a_version_that_scores_as_it_was_evaluated_has_no_shift() -> None:
    """It spreads its scores otherwise than the old one, and so it did in its evaluation."""
    stable = VariantCounts(requests=2_000, answers=2_000, scores=drawn(0, 1, 2_000))
    candidate = VariantCounts(requests=500, answers=500, scores=drawn(0.2, 0.4, 500))
    as_evaluated = (drawn(0, 1, 5_000, 8), drawn(0.2, 0.4, 5_000, 8))
    assert analysed(stable, candidate, evaluated=as_evaluated).score_shift == 0
    assert analysed(stable, candidate).score_shift > 0.5


@pytest.mark.parametrize(("few", "many"), [(100, 10_000), (10_000, 100)])
def test_how_many_requests_each_got_makes_no_shift(few: int, many: int) -> None:
    """Both score the world alike, and off their evaluations: what chance takes off is the same for both."""
    stable = VariantCounts(requests=few, answers=few, scores=drawn(0.3, 0.8, few, 1))
    candidate = VariantCounts(requests=many, answers=many, scores=drawn(0.3, 0.8, many, 2))
    as_evaluated = (drawn(0, 1, 5_000, 3), drawn(0, 1, 5_000, 4))
    assert analysed(stable, candidate, evaluated=as_evaluated, weight=50).score_shift < 0.1


def test_a_change_that_both_see_is_no_shift() -> None:
    """The world moved: both score far off their evaluations, and by the same."""
    moved = VariantCounts(requests=1_000, answers=1_000, scores=drawn(0.5, 1, 1_000))
    found = analysed(moved, moved, evaluated=(drawn(0, 0.5, 5_000), drawn(0, 0.5, 5_000)))
    assert found.score_shift == 0


def verdict(*, passed: bool) -> Verdict:
    rule = RuleResult(expression="x", message="m", passed=passed, reason="" if passed else "false", inputs=[])
    gate = GateResult(gate="g", description="", applied=True, passed=passed, rules=[rule])
    return Verdict(occasion="canary", gates=[gate])


def release(minimum_requests: int = 200) -> Release:
    def variant(version: str, digit: str, weight: int) -> Variant:
        digest = f"sha256:{digit * 64}"
        return Variant(
            version=version, image=f"local/m@{digest}", artifact=digest, run="r", commit="a" * 40, weight=weight
        )

    plan = CanaryPlan(steps=[10, 100], soak="8s", minimum_requests=minimum_requests)
    return Release(variants=[variant("v1", "1", 90), variant("v2", "2", 10)], canary=plan)


def after(seconds: float, requests: int) -> CanaryAnalysis:
    """An analysis of so many requests to the candidate."""
    counted = (VariantCounts(requests=requests * 9), VariantCounts(requests=requests))
    return analysed(*counted, seconds=seconds)


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
    assert decide(release(), "10m", after(seconds, requests), verdict(passed=passed)) == expected


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
    found = decide(advanced(release()), keep_warm, after(seconds, requests), verdict(passed=passed))
    assert found == expected


@pytest.mark.parametrize(
    ("seconds", "requests", "expected"), [(1.0, 11, "wait"), (1.0, 50, "revert"), (8.0, 11, "revert")]
)
def test_a_plan_without_a_number_of_requests_reverts_on_few_of_them_only_after_the_soak(
    seconds: float, requests: int, expected: str
) -> None:
    """One wrong request among the first of a release says little."""
    assert decide(release(0), "10m", after(seconds, requests), verdict(passed=False)) == expected


def test_where_a_canary_stands_is_said_against_its_plan() -> None:
    """Weight, soak, requests, and the share that was measured; of a standby, how long it stays."""
    assert describe(advanced(release()), "10m", after(60.0, 0)) == "v1 stays ready for 60 s of 10m"
    assert describe(release(), "10m", after(7.9, 199)) == "10 % for 8 s of 8s, 199 of 200 requests, measured 10.0 %"
