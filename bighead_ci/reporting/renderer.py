"""The report renderer that delivery uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bighead_ci.documents.report import PromotionReport, PullRequestReport, ReportEntry, TrainedReport
from bighead_ci.reporting.html import write_index, write_page, write_trained
from bighead_ci.reporting.markdown import pull_request_markdown
from bighead_ci.reporting.promotion import promotion_markdown


class Renderer:
    """Markdown for comments and bodies, HTML for the full report. Same document, same bytes.

    Args:
        pictures: Put pictures into the Markdown as data addresses. Leave it off for a forge that removes those
            (GitHub does): the tables and text distributions say the same.
    """

    def __init__(self, *, pictures: bool = True) -> None:
        self._pictures = pictures

    def markdown(self, report: PullRequestReport) -> str:
        """The comment on a pull request, at most 65,536 characters with room for the caller's marker."""
        return pull_request_markdown(report, pictures=self._pictures)

    def html(self, report: PullRequestReport, page: Path) -> None:
        """Write one self-contained page with plots, whole or not at all."""
        write_page(report, page)

    def trained(self, report: TrainedReport, page: Path) -> None:
        """Write the page of a run in a checkout, whole or not at all."""
        write_trained(report, page)

    def index(self, entries: Sequence[ReportEntry], page: Path) -> None:
        """Write the list of reports, whole or not at all."""
        write_index(entries, page)

    def promotion_markdown(self, report: PromotionReport) -> str:
        """The body of a pull request that moves traffic, within the same limit."""
        return promotion_markdown(report, pictures=self._pictures)
