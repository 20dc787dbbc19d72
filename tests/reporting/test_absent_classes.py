"""An evaluation that lacks a class says which."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.documents.report import PullRequestReport
from bighead_ci.reporting.html import write_page
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples


def lacking(classes: list[str], confusion: list[list[int]]) -> PullRequestReport:
    model = samples.model_report()
    evaluation = model.record.evaluation.model_copy(update={"classes": classes, "confusion": confusion})
    record = model.record.model_copy(update={"evaluation": evaluation})
    report: PullRequestReport = samples.pull_request(models=[model.model_copy(update={"record": record})])
    return report


def test_the_class_and_what_it_means_for_the_metrics_are_said(tmp_path: Path) -> None:
    """In the comment and on the page; a class that rows are of is not named."""
    report = lacking(["high", "low", "middle"], [[5, 1, 2], [0, 0, 0], [1, 1, 9]])
    words = "no evaluation row is of class low: auc is the mean over the other 2"
    write_page(report, tmp_path / "report.html")
    assert words in Renderer(pictures=False).markdown(report)
    assert words in (tmp_path / "report.html").read_text()


def test_a_single_class_defines_no_auc() -> None:
    """Two classes, one absent: it says so."""
    report = lacking(["0", "1"], [[5, 1], [0, 0]])
    assert "no evaluation row is of class 1: auc is not defined" in Renderer(pictures=False).markdown(report)


def test_nothing_is_said_where_all_classes_occur() -> None:
    """Nor where there are no rows at all."""
    report = lacking(["0", "1"], [[5, 1], [1, 4]])
    assert "no evaluation row is of class" not in Renderer(pictures=False).markdown(report)
    nothing = samples.pull_request(models=[samples.unmeasured()])
    assert "no evaluation row is of class" not in Renderer(pictures=False).markdown(nothing)
