"""Figures on different rows never stand in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.documents.record import MetricDifference, Uncompared
from bighead_ci.documents.report import ModelReport, PromotionReport, PullRequestReport
from bighead_ci.reporting.headline import headline
from bighead_ci.reporting.html import write_page
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples

ALL, COMMON = "0.741", "0.688"
"""AUC of this run: on all its rows, and on those that prod's version scored too."""
THEIRS = "0.981"


def shared() -> MetricDifference:
    return MetricDifference(
        metric="auc", against="prod", model_version="v1", ours=0.688, theirs=0.981,
        difference=-0.293, low=-0.31, high=-0.27, rows=578,
    )  # fmt: skip


def pull_request(model: ModelReport, **changes: object) -> PullRequestReport:
    """One model that only prod serves."""
    running = model.running[1].model_copy(update={"record": model.running[1].record})
    found = model.model_copy(update={"running": [running], **changes})
    report: PullRequestReport = samples.pull_request(models=[found])
    return report


@pytest.fixture
def common() -> PullRequestReport:
    """578 of this run's 48,210 rows are rows that prod's version scored too."""
    return pull_request(samples.model_report(), differences=[shared()])


@pytest.fixture
def changed() -> PullRequestReport:
    """The ids of prod's record stand for other rows here."""
    one = Uncompared(against="prod", model_version="v1", reason="578 of 578 event ids changed their row", changed=True)
    return pull_request(samples.model_report(), differences=[], uncompared=[one])


def render(report: PullRequestReport | PromotionReport) -> str:
    renderer = Renderer(pictures=False)
    if isinstance(report, PullRequestReport):
        return renderer.markdown(report)
    return renderer.promotion_markdown(report)


def page(report: PullRequestReport, tmp_path: Path) -> str:
    write_page(report, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


def test_a_comparison_on_some_rows_has_lines_of_its_own(common: PullRequestReport, tmp_path: Path) -> None:
    """Both figures are of the common rows, with their count; no line has the figure of all rows beside theirs."""
    for shown in (render(common), page(common, tmp_path)):
        lines = shown.splitlines()
        theirs = [line for line in lines if THEIRS in line and not line.startswith(("<svg", '<div class="plots'))]
        assert theirs
        assert not [line for line in theirs if ALL in line]
        assert any(COMMON in line for line in theirs)
        assert "578 of this PR's 48,210 rows" in shown


def test_the_headline_shows_the_figure_that_the_difference_is_of(common: PullRequestReport) -> None:
    """Not the one of all rows beside a difference on some."""
    assert "AUC 0.688 (−0.293 vs prod v1, on 578 common rows)" in headline(common)
    assert ALL not in headline(common)


def test_several_models_show_it_too(common: PullRequestReport, tmp_path: Path) -> None:
    """The overview has a line a model."""
    both = common.model_copy(update={"models": [*common.models, samples.model_report()]})
    assert "auc 0.688 on 578 common rows" in render(both)
    assert "0.688 on 578 common rows" in page(both, tmp_path)


def test_changed_rows_are_a_plain_problem(changed: PullRequestReport, tmp_path: Path) -> None:
    """It says how many, and what the other run's figures are of."""
    for shown in (render(changed), page(changed, tmp_path)):
        assert "578 of 578 event ids changed their row" in shown
        assert "On its own 48,210 rows it had:" in shown
    assert "❌ **Not compared with prod v1**" in render(changed)
    assert "prod now" not in render(changed)


def test_slices_of_other_rows_are_not_compared(common: PullRequestReport, tmp_path: Path) -> None:
    """A slice of other rows is another slice."""
    assert "prod v1 was evaluated on other rows" in render(common)
    assert "prod v1 was evaluated on other rows" in page(common, tmp_path)
    assert "got worse" not in render(common)


def test_a_promotion_shows_both_figures_on_the_same_rows() -> None:
    """Its table gives the count of rows, and says what was not compared."""
    report = samples.promotion().model_copy(update={"differences": [shared()]})
    text = render(report)
    (line,) = [line for line in text.splitlines() if THEIRS in line]
    assert COMMON in line
    assert "578" in line
    one = Uncompared(against="prod", model_version="v1", reason="1 of 9 event ids changed their row", changed=True)
    text = render(report.model_copy(update={"differences": [], "uncompared": [one]}))
    assert "❌ Not compared with prod v1: 1 of 9 event ids changed their row" in text
