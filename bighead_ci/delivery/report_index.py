"""The list of all reports, as a document and as a page: `index.json` and `index.html` in the directory of reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.report_files import PAGE_FILE, REPORT_FILE, page_of
from bighead_ci.documents.report import PullRequestReport, ReportEntry, ReportList

INDEX_FILE = "index.json"


def index_page(context: Context) -> Path:
    """The list for people."""
    return context.reports / PAGE_FILE


def add_to_index(context: Context, report: PullRequestReport) -> None:
    """Put a report first in the list; it replaces an earlier one on the same pull request.

    A list that is missing or cannot be read is made anew from the reports that were kept.
    """
    context.reports.mkdir(parents=True, exist_ok=True)
    file = context.reports / INDEX_FILE
    with FileLock(context.reports / ".index.lock"):
        try:
            known = ReportList.read(file).entries
        except (FileNotFoundError, ValidationError):
            known = [_entry(context, kept) for kept in _kept(context.reports)]
        newest = {entry.number: entry for entry in sorted([*known, _entry(context, report)], key=lambda e: e.at)}
        entries = sorted(newest.values(), key=lambda entry: (entry.at, entry.number), reverse=True)
        ReportList(entries=entries).write(file)
        context.renderer.index(entries, index_page(context))


def _kept(reports: Path) -> Iterator[PullRequestReport]:
    for file in reports.glob(f"*/*/{REPORT_FILE}"):
        try:
            yield PullRequestReport.read(file)
        except ValidationError:  # of another engine: its page is there, and it comes back with its next report
            continue


def _entry(context: Context, report: PullRequestReport) -> ReportEntry:
    verdicts = [model.verdict for model in report.models] + [move.verdict for move in report.moves]
    return ReportEntry(
        number=report.number,
        title=report.title,
        commit=report.commit,
        at=report.at,
        state=report.state,
        subjects=[model.record.id for model in report.models]
        + [f"{move.move} {move.model} in {move.environment}" for move in report.moves],
        failed=sorted({gate for verdict in verdicts for gate, _ in verdict.failures}),
        page=page_of(context, report.number, report.commit).relative_to(context.reports).as_posix(),
    )
