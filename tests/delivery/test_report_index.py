"""The list of reports that people start from."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.report_files import page_of
from bighead_ci.delivery.report_index import INDEX_FILE, index_page
from bighead_ci.documents.report import ReportList
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version


def listed(context: FakeContext) -> ReportList:
    return ReportList.read(context.reports / INDEX_FILE)


def judged(context: FakeContext, branch: str, version: str, skill: float = 1.0) -> int:
    context.orchestrator.skill[f"models/late/{version}"] = skill
    pull = context.propose(branch, {**model_version(version), f"models/late/{version}/README.md": branch})
    check_pull_request(context, pull.number, silent)
    return pull.number


def test_each_pull_request_has_one_line_with_its_newest_report_first(context: FakeContext) -> None:
    """What it is about, how it ended, which gates failed, and where its page lies."""
    first, second = judged(context, "one", "v2"), judged(context, "two", "v3", skill=0.0)
    context.clock.forward(60)
    assert judged(context, "one", "v2") == first
    newest, older = listed(context).entries
    assert [(e.number, e.state, e.subjects) for e in (newest, older)] == [
        (first, "passed", ["late/v2"]),
        (second, "failed", ["late/v3"]),
    ]
    assert newest.failed == []
    assert "auc_floor" in older.failed
    assert context.reports / newest.page == page_of(context, first, context.forge.get(first).head)
    page = index_page(context).read_text()
    assert page.index(newest.page) < page.index(older.page)


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_list_that_cannot_be_read_is_made_anew_from_the_reports(context: FakeContext, damage: str) -> None:
    """Nothing is lost with it; a report of another engine that cannot be read is passed over."""
    first = judged(context, "one", "v2")
    file = context.reports / INDEX_FILE
    if damage == "gone":
        file.unlink()
    else:
        file.write_text(file.read_text()[:50])
    unreadable = context.reports / "pr-9" / "abc" / "report.json"
    unreadable.parent.mkdir(parents=True)
    unreadable.write_text("{}")
    second = judged(context, "two", "v3")
    assert {entry.number for entry in listed(context).entries} == {first, second}


def test_a_report_links_to_the_list(context: FakeContext) -> None:
    """From where people look, one click away."""
    pull = context.propose("late-v2", model_version("v2"))
    report = check_pull_request(context, pull.number, silent)
    assert index_page(context).as_uri() in [link.url for link in report.links]
