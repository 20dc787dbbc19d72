"""Turns report documents into what people read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bighead_ci.documents.report import PromotionReport, PullRequestReport, ReportEntry, TrainedReport


class ReportRenderer(Protocol):
    """Pure: same document, same bytes. Every value that comes from data is escaped."""

    def markdown(self, report: PullRequestReport) -> str:
        """The comment: at most 65,536 characters, shortened gracefully, with inline pictures."""

    def html(self, report: PullRequestReport, page: Path) -> None:
        """One self-contained page with plots."""

    def trained(self, report: TrainedReport, page: Path) -> None:
        """One self-contained page with plots, of a run that has no pull request yet."""

    def index(self, entries: Sequence[ReportEntry], page: Path) -> None:
        """One self-contained page with a line an entry, which links to its page."""

    def promotion_markdown(self, report: PromotionReport) -> str:
        """The body of a promotion pull request."""
