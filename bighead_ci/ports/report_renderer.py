"""Turns report documents into what people read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from bighead_ci.documents.report import PromotionReport, PullRequestReport


class ReportRenderer(Protocol):
    """Pure: same document, same bytes. Every value that comes from data is escaped."""

    def markdown(self, report: PullRequestReport) -> str:
        """The comment: at most 65,536 characters, shortened gracefully, with inline pictures."""

    def html(self, report: PullRequestReport, page: Path) -> None:
        """One self-contained page with plots."""

    def promotion_markdown(self, report: PromotionReport) -> str:
        """The body of a promotion pull request."""
