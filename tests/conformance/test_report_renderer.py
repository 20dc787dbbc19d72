"""What every renderer does: the real one, with and without pictures, and the one whose pages are plain."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.documents.report import PullRequestReport, TrainedReport
from bighead_ci.ports.report_renderer import ReportRenderer
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples
from fakes.renderer import PlainPages

RENDERERS: dict[str, ReportRenderer] = {
    "pictures": Renderer(),
    "no-pictures": Renderer(pictures=False),
    "plain": PlainPages(),
}
EVIL = "</pre></text><script>alert(1)</script><img src=x>"
LIMIT = 65_536


@pytest.fixture(params=sorted(RENDERERS))
def renderer(request: pytest.FixtureRequest) -> ReportRenderer:
    return RENDERERS[request.param]


def page_of(renderer: ReportRenderer, report: PullRequestReport, page: Path) -> str:
    renderer.html(report, page)
    return page.read_text(encoding="utf-8")


def test_the_same_document_gives_the_same_bytes(renderer: ReportRenderer, tmp_path: Path) -> None:
    """Comment, body and page: the clock, the machine and what was rendered before are not in them."""
    report, again = samples.two_models(), PullRequestReport.model_validate_json(samples.two_models().model_dump_json())
    assert renderer.markdown(report) == renderer.markdown(again)
    assert page_of(renderer, report, tmp_path / "one.html") == page_of(renderer, again, tmp_path / "two.html")
    assert renderer.promotion_markdown(samples.advance()) == renderer.promotion_markdown(samples.advance())


def test_what_comes_from_data_is_text(renderer: ReportRenderer, tmp_path: Path) -> None:
    """A title and a problem that are markup stay words, in the comment and on the page."""
    report = samples.pull_request(title=EVIL, problems=[EVIL])
    assert "<script>" not in renderer.markdown(report)
    page = page_of(renderer, report, tmp_path / "page.html")
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "alert(1)" in page


def test_a_comment_has_its_limit(renderer: ReportRenderer) -> None:
    """However much there is to say, a forge takes it; the verdict stays."""
    models = [samples.model_report(failing=True) for _ in range(60)]
    short = renderer.markdown(samples.pull_request(models=models[:1], problems=[]))
    long = renderer.markdown(samples.pull_request(models=models, problems=["a long story " * 40] * 400))
    assert len(short) < len(long) <= LIMIT


def test_a_page_says_what_the_report_says(renderer: ReportRenderer, tmp_path: Path) -> None:
    """The model, its version and the gates are on it, and it replaces an older page."""
    page = tmp_path / "page.html"
    page.write_text("old")
    report = samples.failing()
    found = page_of(renderer, report, page)
    assert found != "old"
    for word in ("flight_delay", report.models[0].record.version, report.models[0].verdict.gates[0].gate):
        assert word in found


def test_a_run_before_its_pull_request_has_a_page(renderer: ReportRenderer, tmp_path: Path) -> None:
    """Its version, its gates and what it read are on it; what comes from data is text, and an older page goes."""
    page = tmp_path / "report.html"
    page.write_text("old")
    model = samples.model_report(failing=True)
    record = model.record.model_copy(update={"run_id": "", "images": {}, "parameters": {"depth": EVIL}})
    model = model.model_copy(update={"record": record, "links": []})
    renderer.trained(TrainedReport(base=record.commit, at=record.recorded_at, model=model), page)
    found = page.read_text(encoding="utf-8")
    assert found != "old"
    assert "<script>alert" not in found
    assert "alert(1)" in found
    for word in ("flight_delay", record.version, model.verdict.gates[0].gate):
        assert word in found


def test_the_list_of_reports_links_to_each_and_takes_titles_for_words(renderer: ReportRenderer, tmp_path: Path) -> None:
    """Whatever a title holds, a line has its number and its link, and a page that was there is replaced."""
    page = tmp_path / "index.html"
    page.write_text("old")
    entries = [entry.model_copy(update={"title": EVIL}) for entry in samples.entries()]
    renderer.index(entries, page)
    found = page.read_text(encoding="utf-8")
    assert "<script>" not in found
    assert "alert(1)" in found
    for entry in entries:
        assert f'href="{entry.page}"' in found
        assert f"#{entry.number}" in found
