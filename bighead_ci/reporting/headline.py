"""The verdict in one line, as plain text: the same words in the comment, the page and a list of pull requests."""

from __future__ import annotations

from collections.abc import Iterable

from bighead_ci.documents.report import ModelReport, PullRequestReport
from bighead_ci.reporting.answering import answers
from bighead_ci.reporting.comparison import baseline, gate_counts, label, metric_rows, primary_figure
from bighead_ci.reporting.figures import figure, plural, seconds, signed
from bighead_ci.tasks.registry import title


def must_approve(report: PullRequestReport) -> int:
    """How many people must approve it."""
    return max((rule.people for rule in report.approvals), default=0)


def headline(report: PullRequestReport) -> str:
    """The verdict in one line."""
    took = seconds(report.seconds)
    if report.state == "invalid":
        return f"❌ {plural(len(report.problems), 'problem')} to fix before anything can run · {took}"
    if report.state == "error":
        return "⚠️ The checks could not finish: no verdict yet"
    mark = "✅" if report.state == "passed" else "❌"
    parts = [f"{mark} {_judged(report)}"]
    if len(report.models) == 1:
        parts += [*_primary(report.models[0]), answers(report.models[0].record)]
    if report.models:
        reused = sum(model.reused for model in report.models)
        counts = ((len(report.models) - reused, "trained"), (reused, "reused"))
        parts.append(", ".join(f"{n} {what}" for n, what in counts if n))
    if (people := must_approve(report)) > 1:
        parts.append(f"{people} people must approve")
    return " · ".join(part for part in (*parts, took) if part)


def advice(report: PullRequestReport) -> str:
    """What to do about a report without a verdict; empty where there is one."""
    if report.state == "invalid":
        return "Nothing was trained. Push a commit that fixes them; this report is updated in place."
    if report.state == "error":
        return "Nothing you wrote is known to be wrong. The checks can be run again as they are."
    return ""


def _judged(report: PullRequestReport) -> str:
    passed, applied = gate_counts([model.verdict for model in report.models])
    failing = [model for model in report.models if not model.verdict.passed]
    if not report.models:
        releases = report.plan.releases if report.plan else []
        if releases:
            moves = _names(f"{r.move} {r.model} in {r.environment}" for r in releases)
            return moves if report.state == "passed" else f"gates stop {moves}: see the description"
        return "Nothing to train: no model is touched" if report.state == "passed" else "Checks failed"
    if not failing:
        subject = _subject([m.record.id for m in report.models])
        verb = "passes" if len(report.models) == 1 else "pass"
        stopped = "" if report.state == "passed" else ", but the release gates fail: see the description"
        return f"{subject} {verb} {passed} of {plural(applied, 'gate')}{stopped}"
    if len(report.models) == 1:
        return f"{_subject([failing[0].record.id])} fails {applied - passed} of {plural(applied, 'gate')}"
    names = _names(m.record.id for m in failing)
    return f"{len(failing)} of {plural(len(report.models), 'model')} fail: {names}"


def _subject(ids: list[str]) -> str:
    return ids[0].replace("/", " ") if len(ids) == 1 else plural(len(ids), "model")


def _names(names: Iterable[str], most: int = 4) -> str:
    shown = [name.replace("/", " ") for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most:,} more" if len(shown) > most else "")


def _primary(model: ModelReport) -> list[str]:
    rows = metric_rows(model)
    if not rows:
        return []
    base, row = baseline(model), rows[0]
    measured = row.base.measured
    value, where = primary_figure(row, model.record.evaluation.rows)
    against = f" ({signed(measured.difference)} vs {label(base)}{where and ', ' + where})" if base and measured else ""
    return [f"{title(row.name)} {figure(value)}{against}"]
