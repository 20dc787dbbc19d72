"""The body of a pull request that moves traffic: what moves, on what evidence, who decides, and the way back."""

from __future__ import annotations

from collections.abc import Callable

from bighead_ci.delivery.comparison import outcome
from bighead_ci.documents.base import short
from bighead_ci.documents.live import CanaryAnalysis, VariantTelemetry
from bighead_ci.documents.plan import Move
from bighead_ci.documents.report import PromotionReport
from bighead_ci.reporting import charts
from bighead_ci.reporting.answering import answers
from bighead_ci.reporting.escaping import GAP, code, details, fence, table, text
from bighead_ci.reporting.figures import (
    figure,
    interval,
    milliseconds,
    moment,
    percent,
    plural,
    seconds,
    signed,
    size,
)
from bighead_ci.reporting.gates import failing_rules, gate_table
from bighead_ci.reporting.histograms import score_lines
from bighead_ci.reporting.pictures import inline_picture
from bighead_ci.reporting.section import MARK
from bighead_ci.reporting.shortening import Block, fit

_TITLE: dict[Move, str] = {
    "promote": "Promote",
    "advance": "Advance",
    "retire": "Retire the old version of",
    "rollback": "Roll back",
    "settings": "Change the canary plan of",
    "remove": "Stop serving",
}
_MARK: dict[Move, str] = {"rollback": "↩️", "remove": "⏹️", "settings": "⚙️"}
"""Of moves that no gate judges."""
_FAILING_RULES, _COMMITS, _NULLS = 30, 50, 5


def promotion_markdown(report: PromotionReport, *, pictures: bool) -> str:
    """The whole body in at most 65,536 characters."""
    blocks = [
        Block(f"### {title(report)}"),
        Block(_failing_rules(report)),
        Block(_unreached(report)),
        Block(_summary(report)),
    ]
    if report.analysis:
        blocks += _analysis(report.analysis, pictures=pictures)
    if any(gate.applied for gate in report.verdict.gates):
        passed = sum(g.passed for g in report.verdict.gates if g.applied)
        applied = sum(g.applied for g in report.verdict.gates)
        heading = f"**Gates, evaluated at {moment(report.at)} with main's policies**: {passed} of {applied} pass"
        blocks.append(Block(f"{heading}\n\n{gate_table(report.verdict)}", 40, "gate table"))
    if report.differences or report.uncompared:
        blocks.append(Block(_differences(report), 30, "metric table"))
    if report.commits:
        blocks.append(Block(_commits(report), 50, "list of commits"))
    if report.diff:
        blocks.append(Block("**What changes in git**\n\n" + fence(report.diff, "diff"), 60, "diff"))
    if report.request:
        blocks.append(Block(_callers(report), 70, "request schema"))
    return fit(blocks, "The pull request's files show the change itself.")


def title(report: PromotionReport) -> str:
    """Everything in one line: `✅ Promote flight_delay in prod: v1 → v2 (canary 10 %)`."""
    mark = _MARK.get(report.move, "✅" if report.verdict.passed else "❌")
    return f"{mark} {_TITLE[report.move]} {text(report.model)} in {text(report.environment)}: {text(report.summary)}"


def _failing_rules(report: PromotionReport) -> str:
    """The failing rules with what they read; empty when all pass."""
    rules = [("", gate, rule) for gate, rule in report.verdict.failures]
    heading = "Why" if report.move == "rollback" else "What stands against it"
    return f"**{heading}**\n\n{failing_rules(rules, most=_FAILING_RULES)}" if rules else ""


def _unreached(report: PromotionReport) -> str:
    """The feature sets that would give nothing to any request; empty if there is none."""
    sets = [one for one in report.reaches if not one.reached]
    if not sets:
        return ""
    features, reached = (sum(getattr(one, name) for one in report.reaches) for name in ("features", "reached"))
    heading = f"⚠️ **Features without data**: {reached} of {features} would be found"
    lines = [f"- {code(one.set)}: {text(one.words)}" for one in sets]
    way = "Bring newer data to main, or set the moment that the workspace lives at: `bighead workspace moment TIME`."
    return "\n".join([heading, "", *lines, "", way])


def _summary(report: PromotionReport) -> str:
    lines = [f"**Traffic**: {_traffic(report)}"]
    people = "nobody has to approve" if not report.approvals_needed else _approvals(report.approvals_needed)
    lines.append(f"**Approval**: {people} ({text(report.approvals_because)})")
    revert = "revert this pull request's merge"
    undo = revert if report.move in {"rollback", "settings", "remove"} else f"{code(report.rollback, 300)}, or {revert}"
    lines.append(f"**The way back**: {undo}")
    record = report.record
    if record:
        lines.append(
            f"**Record**: {code(record.id)}, run {code(record.run_id[:12])}, content key "
            f"{code(short(record.content_key))}, recorded {moment(record.recorded_at)} from {code(record.commit[:10])}"
        )
    if report.artifact and report.image:
        weight = f" ({size(record.artifact_bytes)})" if record else ""
        kind = f", answered by {answers(record)}" if record and record.kind else ""
        serves = f"artifact {code(short(report.artifact))}{weight}, image {code(short(report.image))}{kind}"
        lines.append(f"**Serves**: {serves}")
    return "\n".join(f"- {line}" for line in lines)


def _traffic(report: PromotionReport) -> str:
    if report.move == "remove":
        return f"{report.weight_before} % → none: callers of {text(report.model)} get no answer any more"
    steps = canary_picture(report)
    if report.move == "rollback":
        back = f"from {report.weight_before} % to {report.weight_after} % at once"
        return f"{steps}; {back}" if report.weight_before in report.plan_steps[:-1] else back
    soak = f"at least {text(report.soak)} at each step"
    if report.move == "settings":
        return f"stays as it is; the plan becomes {_plan(report)}, {soak}"
    return f"{steps}, {soak}"


def _approvals(needed: int) -> str:
    return "one person must approve" if needed == 1 else f"{needed} people must approve"


def _plan(report: PromotionReport) -> str:
    return " → ".join(f"{step} %" for step in report.plan_steps)


def canary_picture(report: PromotionReport) -> str:
    """The plan with the step that this pull request goes to in brackets: `10 % ✓ → [50 %] → 100 %`."""
    back = report.move == "rollback"
    here = report.weight_before if back else report.weight_after
    parts = []
    for step in report.plan_steps:
        word = f"{step} %"
        if step > here:
            parts.append(word)
        elif step < here or report.move == "retire":
            parts.append(f"{word} ✓")
        else:
            parts.append(f"{word} ✗" if back else f"**[{word}]**")
    return " → ".join(parts)


def _analysis(analysis: CanaryAnalysis, *, pictures: bool) -> list[Block]:
    new, old = analysis.candidate, analysis.stable
    rows = [[name, f"**{show(new)}**", show(old)] for name, show in _MEASURES]
    rows.append(["share of requests", f"{percent(analysis.measured_share, 100)} (git says {analysis.weight} %)", ""])
    rows.append(["score shift (PSI)", figure(analysis.score_shift), ""])
    rows += [
        [f"null: {code(column)}", percent(new.null_ratio.get(column, 0.0)), percent(old.null_ratio.get(column, 0.0))]
        for column in worst_nulls(analysis)
    ]
    head = (
        f"**What the canary did** in {seconds(analysis.seconds)}, {moment(analysis.since)} to {moment(analysis.until)}"
    )
    columns = ["", f"candidate {new.version}", _stable(analysis)]
    blocks = [Block(f"{head}\n\n{table(columns, rows, numbers=(1, 2))}", 10, "analysis table")]
    histograms = {f"candidate {new.version}": new.score_histogram, _stable(analysis): old.score_histogram}
    if lines := score_lines(histograms):
        blocks.append(Block(fence("\n".join(lines), "text"), 20, "score distribution"))
        if pictures:
            words = "Scores of candidate and stable"
            blocks.append(Block(inline_picture(charts.score_histogram(histograms), words), 100, "picture"))
    return blocks


def _stable(analysis: CanaryAnalysis) -> str:
    return f"stable {analysis.stable.version}{', the step before' if analysis.stable_step == 'before' else ''}"


_MEASURES: tuple[tuple[str, Callable[[VariantTelemetry], str]], ...] = (
    ("requests", lambda v: f"{v.requests:,}"),
    ("errors", lambda v: f"{v.errors:,} ({percent(v.error_ratio)})"),
    ("p50", lambda v: milliseconds(v.p50_ms)),
    ("p95", lambda v: milliseconds(v.p95_ms)),
    ("p99", lambda v: milliseconds(v.p99_ms)),
    ("mean score", lambda v: figure(v.score_mean)),
)


def worst_nulls(analysis: CanaryAnalysis) -> list[str]:
    """The inputs whose share of nulls grew most with the candidate, then those with most nulls; at most five."""
    new, old = analysis.candidate.null_ratio, analysis.stable.null_ratio
    order = sorted({*new, *old}, key=lambda c: (old.get(c, 0.0) - new.get(c, 0.0), -new.get(c, 0.0), c))
    return [column for column in order if new.get(column) or old.get(column)][:_NULLS]


def _differences(report: PromotionReport) -> str:
    rows = [
        [
            text(d.metric),
            figure(d.ours),
            f"{figure(d.theirs)} ({text(d.against)} {d.model_version})",
            f"**{signed(d.difference)}**{GAP}{interval(d.low, d.high, sign=True)} {MARK[outcome(d)]}",
            f"{d.rows:,}",
        ]
        for d in report.differences
    ]
    blocks = ["**Against what runs**, both on the rows that both scored"]
    if rows:
        blocks.append(table(["metric", "this", "theirs", "Δ [95 %]", "rows"], rows, numbers=(4,), most=40))
    for one in report.uncompared:
        whose = f"{text(one.against)} {one.model_version}"
        blocks.append(f"{'❌' if one.changed else '⚠️'} Not compared with {whose}: {text(one.reason, 600)}.")
    return "\n\n".join(blocks)


def _commits(report: PromotionReport) -> str:
    body = fence("\n".join(report.commits), "text", lines=_COMMITS, width=160)
    return f"**{plural(len(report.commits), 'commit')} between what serves and this**\n\n{body}"


def _callers(report: PromotionReport) -> str:
    rows = [
        [code(name), field.type if field.size is None else f"{field.type} × {field.size:,}",
         "required" if field.required else "optional", text(field.description, 120)]
        for name, field in report.request.items()
    ]  # fmt: skip
    return details("What callers send", table(["field", "type", "", "meaning"], rows, most=100))
