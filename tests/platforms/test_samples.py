"""Samples of counters: kept, thinned, and added up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.platforms.samples import FIRST_SAMPLES, RESOLUTION, Counters, Sample, SampleSeries, increase, thinned

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGES = st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=200, unique_by=lambda pair: round(pair[0], 6))


def sample(seconds: float, *, first: bool = False) -> Sample:
    counters = Counters(run="one", values={"requests": seconds})
    return Sample(at=NOW + timedelta(seconds=seconds), first=first, router=counters, variants={"v1": counters})


def test_samples_of_a_span_come_back_in_order(tmp_path: Path) -> None:
    """Both ends included; a series that another process reads is the same."""
    series = SampleSeries(tmp_path / "m")
    for seconds in (0.0, 1.0, 2.5, 7.0):
        series.append(sample(seconds, first=seconds == 2.5))
    found = SampleSeries(tmp_path / "m").between(NOW + timedelta(seconds=1), NOW + timedelta(seconds=7))
    assert found == [sample(1.0), sample(2.5, first=True), sample(7.0)]
    assert SampleSeries(tmp_path / "m").between(NOW + timedelta(seconds=7), None) == [sample(7.0)]


def test_a_series_without_samples_is_empty(tmp_path: Path) -> None:
    """Nothing was ever sampled, or all of it was forgotten."""
    series = SampleSeries(tmp_path / "m")
    assert series.between(NOW, None) == []
    series.append(sample(1.0))
    series.forget()
    assert series.between(NOW, None) == []


def test_a_canary_of_a_day_leaves_hundreds_of_samples() -> None:
    """A sample a second, of which the first, the last and ever fewer between stay."""
    moments: list[tuple[datetime, bool]] = []
    for second in range(86_400):
        moments.append((NOW + timedelta(seconds=second), second == 0))
        if len(moments) > 600:
            gone = set(thinned(moments, moments[-1][0]))
            moments = [one for one in moments if one not in gone]
    assert len(moments) < 600
    assert moments[0] == (NOW, True)


@given(AGES)
def test_what_is_dropped_lies_close_to_what_is_kept(ages: list[tuple[float, bool]]) -> None:
    """Nothing is further from a kept sample than its age allows, and the newest one stays."""
    moments = sorted((NOW - timedelta(seconds=age), first) for age, first in ages)
    dropped = thinned(moments, NOW)
    kept = [one for one in moments if one not in dropped]
    firsts = [one for one in moments if one[1]]
    assert set(firsts[-FIRST_SAMPLES:]) <= set(kept)
    for at, _ in dropped:
        assert any(timedelta(0) <= at - other <= (NOW - at) / RESOLUTION for other, _ in kept)
    assert thinned(kept, NOW) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=20))
def test_an_increase_goes_on_over_restarts(steps: list[tuple[int, bool]]) -> None:
    """Each step adds to one run's counter; a restart begins at zero, and what was sampled before stays counted."""
    run, value, samples = 0, 100, [Counters(run="0", values={"requests": 100})]
    for step, restarted in steps:
        if restarted:
            run, value = run + 1, 0
        value += step
        samples.append(Counters(run=str(run), values={"requests": value}))
    assert increase(samples) == {"requests": sum(step for step, _ in steps)}


def test_one_sample_says_nothing_of_an_increase() -> None:
    """What a process had counted when it was first seen may be from long before."""
    assert increase([Counters(run="1", values={"requests": 7})]) == {}
    assert increase([]) == {}


def test_increases_add_up() -> None:
    """Of a span as of its parts."""
    counters = [Counters(run=run, values={"a": float(value)}) for run, value in (("1", 3), ("1", 9), ("2", 4))]
    whole = increase(counters)["a"]
    assert whole == sum(increase(pair)["a"] for pair in pairwise(counters)) == 10
