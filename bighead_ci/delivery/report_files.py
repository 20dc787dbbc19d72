"""Where reports lie as documents, beside what people read of them: another program may post or show them."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.delivery.context import Context
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.report import PromotionReport, PullRequestReport

REPORT_FILE = "report.json"
"""What the checks found of a head: a `PullRequestReport`."""
PAGE_FILE = "index.html"
"""The same for people."""
PROMOTION_FILE = "promotion.json"
"""What a pull request of a release means, as it was opened or went on: a `PromotionReport`."""


def directory_of(context: Context, number: int, head: str) -> Path:
    """Of all reports on a pull request's head."""
    return context.reports / f"pr-{number}" / head[:12]


def page_of(context: Context, number: int, head: str) -> Path:
    """Where the page of a pull request's head lies."""
    return directory_of(context, number, head) / PAGE_FILE


def keep_report(context: Context, report: PullRequestReport) -> None:
    """Keep what the checks found."""
    report.write(directory_of(context, report.number, report.commit) / REPORT_FILE)


def keep_promotion(context: Context, pull: PullRequestSummary, report: PromotionReport) -> None:
    """Keep what the body of a release's pull request was made from."""
    report.write(directory_of(context, pull.number, pull.head) / PROMOTION_FILE)
