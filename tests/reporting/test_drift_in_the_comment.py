"""Drift warns where it is beyond chance and the scores rest on the column."""

from __future__ import annotations

import pytest

from bighead_ci.documents.record import DriftResult
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples


def comment(drift: DriftResult) -> str:
    report = samples.passing()
    (model,) = report.models
    return Renderer(pictures=False).markdown(
        report.model_copy(update={"models": [model.model_copy(update={"drift": drift})]})
    )


@pytest.fixture
def drift() -> DriftResult:
    found = samples.passing().models[0].drift
    assert isinstance(found, DriftResult)
    return found


def test_a_column_that_the_scores_rest_on_warns(drift: DriftResult) -> None:
    """It comes first whatever moved further, with its share of the scores, and its table is open."""
    first = drift.columns[0]
    assert (first.matters, first.score < max(one.score for one in drift.columns)) == (True, True)
    shown = comment(drift)
    assert f"⚠️ **Drift**: 3 of 10 columns moved against training set of flight_delay/v1; `{first.column}`" in shown
    assert "| column | how it is measured |" in shown
    assert "Drift of flight_delay v2" not in shown


def test_columns_that_are_little_used_are_folded(drift: DriftResult) -> None:
    """They moved, no score rests on them: the line is calm and the table can be opened."""
    shown = comment(drift.weighed(dict.fromkeys((one.column for one in drift.columns), 0.001)))
    assert "✅ **Drift**: 3 of 10 columns moved" in shown
    assert "; the scores rest on none of them" in shown
    assert "<details><summary>Drift of flight_delay v2</summary>" in shown


def test_a_column_without_importance_warns(drift: DriftResult) -> None:
    """Records of older engines have none; nothing is called harmless that was not looked at."""
    shown = comment(drift.weighed({}))
    assert "⚠️ **Drift**: 3 of 10 columns moved against training set of flight_delay/v1\n" in shown


def test_what_moved_no_further_than_chance_is_said_so(drift: DriftResult) -> None:
    """Past the threshold between few rows: no drift, and the figure does not contradict that."""
    columns = [one.model_copy(update={"drifted": False, "chance": 0.4}) for one in drift.columns]
    shown = comment(drift.model_copy(update={"columns": columns}))
    assert "✅ **Drift**: none of 10 columns moved" in shown
    assert "further than allowed but not than chance: `carrier_delays.dep_delay_mean_1d`, 0.231 of 0.100" in shown
