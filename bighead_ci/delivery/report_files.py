"""Where reports lie as documents, beside what people read of them: another program may post or show them."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.delivery.context import Context
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.report import PromotionReport, PullRequestReport

REPORT_FILE = "report.json"
"""What the checks found of a head: a `PullRequestReport`."""
PROMOTION_FILE = "promotion.json"
"""What a pull request of a release means, as it was opened or went on: a `PromotionReport`."""


def directory_of(context: Context, pull: PullRequestSummary) -> Path:
    """Of all reports on a pull request's head."""
    return context.reports / f"pr-{pull.number}" / pull.head[:12]


def keep_report(context: Context, pull: PullRequestSummary, report: PullRequestReport) -> None:
    """Keep what the checks found."""
    report.write(directory_of(context, pull) / REPORT_FILE)


def keep_promotion(context: Context, pull: PullRequestSummary, report: PromotionReport) -> None:
    """Keep what the body of a release's pull request was made from."""
    report.write(directory_of(context, pull) / PROMOTION_FILE)
