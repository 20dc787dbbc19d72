"""A renderer whose page is the report as it is: pages with plots take seconds and have their own tests."""

from __future__ import annotations

from html import escape
from pathlib import Path

from bighead_ci.documents.report import PullRequestReport, TrainedReport
from bighead_ci.reporting.renderer import Renderer


class PlainPages(Renderer):
    """The real Markdown, without pictures; pages without plots."""

    def __init__(self) -> None:
        super().__init__(pictures=False)

    def html(self, report: PullRequestReport, page: Path) -> None:
        """A page without plots."""
        page.write_text(f"<!doctype html><pre>{escape(report.model_dump_json(indent=1))}</pre>\n", encoding="utf-8")

    def trained(self, report: TrainedReport, page: Path) -> None:
        """A page without plots."""
        page.write_text(f"<!doctype html><pre>{escape(report.model_dump_json(indent=1))}</pre>\n", encoding="utf-8")
