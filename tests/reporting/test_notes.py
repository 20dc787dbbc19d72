"""What must be known to read an evaluation's metrics is said beside them."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.reporting.html import write_page
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples


def test_notes_of_the_evaluation_are_said(tmp_path: Path) -> None:
    """In the comment and on the page, each in full."""
    notes = ["no evaluation row is of class low: auc is the mean over the other 2", "3 groups are of one row"]
    model = samples.model_report()
    evaluation = model.record.evaluation.model_copy(update={"notes": notes})
    record = model.record.model_copy(update={"evaluation": evaluation})
    report = samples.pull_request(models=[model.model_copy(update={"record": record})])
    write_page(report, tmp_path / "report.html")
    for note in notes:
        assert note in Renderer(pictures=False).markdown(report)
        assert note in (tmp_path / "report.html").read_text()
