"""The comment on a pull request: verdict first, then what a reviewer compares, then what can be opened."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.documents.base import short
from bighead_ci.documents.plan import Plan
from bighead_ci.documents.report import ModelReport, PullRequestReport
from bighead_ci.reporting.comparison import failing_first, gate_counts, metric_rows, primary_figure
from bighead_ci.reporting.escaping import code, details, fence, link, table, text
from bighead_ci.reporting.figures import figure, moment, plural, seconds, signed
from bighead_ci.reporting.gates import WHAT_TO_DO, failing_rules
from bighead_ci.reporting.headline import advice, headline, must_approve
from bighead_ci.reporting.section import ModelSection
from bighead_ci.reporting.shortening import Block, fit

PICTURES = 3
"""At most, over the whole comment."""
_PROBLEMS = 200
_FAILING_RULES = 30
_FILES = 60
_MODELS, _IMPACTS = 100, 30


def pull_request_markdown(report: PullRequestReport, *, pictures: bool) -> str:
    """The whole comment in at most 65,536 characters."""
    blocks = [Block(f"### {text(headline(report), 400)}"), *_below_verdict(report)]
    models = failing_first(report.models)
    sections = [ModelSection(m, alone=len(models) == 1, pictures=_allowed_pictures(i, len(models)) if pictures else 0)
                for i, m in enumerate(models)]  # fmt: skip
    if len(sections) == 1:
        blocks += [*sections[0].glance(), *_plan_blocks(report), *sections[0].depth()]
    else:
        blocks += [Block(_overview(models))] if sections else []
        blocks += _plan_blocks(report)
        blocks += [block for section in sections for block in (*section.glance(), *section.depth())]
    if report.plan:
        blocks.append(Block(_plan_details(report.plan), 80, "plan section"))
    if report.reproduce:
        commands = fence("\n".join(report.reproduce), "sh", lines=60)
        blocks.append(Block(details("How to get the same on a laptop", commands), 50, "reproduce section"))
    blocks.append(Block(_footer(report)))
    where = "The full report has all of it: " + " · ".join(link(x.title, x.url) for x in report.links[:1])
    return fit(blocks, where if report.links else "")


def _below_verdict(report: PullRequestReport) -> list[Block]:
    """What stands directly under the verdict."""
    if report.state in {"invalid", "error"}:
        lines = [f"- {_problem(problem)}" for problem in report.problems[:_PROBLEMS]]
        if len(report.problems) > _PROBLEMS:
            lines.append(f"- … and {len(report.problems) - _PROBLEMS:,} more; `bighead check` lists all")
        return [Block("\n".join(lines)), Block(advice(report))]
    rules = [
        (f"{model.record.id} " if len(report.models) > 1 else "", gate, rule)
        for model in report.models
        for gate, rule in model.verdict.failures
    ]
    if not rules:
        return []
    more = f"{code(f'bighead explain {rules[0][1]} --pr {report.number}')} shows all that a gate read."
    return [Block(failing_rules(rules, most=_FAILING_RULES)), Block(f"**What to do**: {text(WHAT_TO_DO, 400)} {more}")]


def _problem(problem: str) -> str:
    """A problem with its place, `file:line`, set apart."""
    place, colon, rest = problem.partition(": ")
    if not colon or "/" not in place or " " in place:
        return text(problem, 800)
    return f"{code(place)}: {text(rest, 800)}"


def _overview(models: Sequence[ModelReport]) -> str:
    rows = []
    for model in models:
        passed, applied = gate_counts([model.verdict])
        first = metric_rows(model)[:1]
        value, where = primary_figure(first[0], model.record.evaluation.rows) if first else (0.0, "")
        drift, quality = model.drift, model.record.quality
        rows.append(
            [
                f"{'✅' if model.verdict.passed else '❌'} {code(model.record.id)}",
                f"{text(first[0].name)} {figure(value)} {where}".strip() if first else "–",
                f"{signed(first[0].base.measured.difference)} {first[0].base.outcome}"
                if first and first[0].base.measured
                else "nothing to compare with",
                f"{passed} of {applied}",
                f"{quality.passed} of {len(quality.results)}",
                f"{drift.drifted} of {len(drift.columns)}" if drift else "–",
                "reused" if model.reused else f"trained in {seconds(model.seconds)}",
            ]
        )
    head = ["model", "primary metric", "Δ vs what runs", "gates pass", "expectations hold", "columns drifted", "cost"]
    return table(head, rows, most=_MODELS)


def _allowed_pictures(place: int, models: int) -> int:
    """All of them for a model that stands alone, else one for each of the first few."""
    return PICTURES if models == 1 else int(place < PICTURES)


def _plan_blocks(report: PullRequestReport) -> list[Block]:
    plan = report.plan
    if plan is None:
        return []
    blocks = []
    if plan.impacts:
        blocks.append(Block(_blast_radius(plan, report.models), 20, "blast radius"))
    elif report.models:
        alone = "this model version" if len(report.models) == 1 else "these model versions"
        blocks.append(Block(f"**Blast radius**: {alone} alone; no feature set and no source changed"))
    notes = []
    if report.mends:
        files = ", ".join(code(file) for file in report.mends[:20])
        notes.append(f"**Mends** what cannot be read on main: {files}. Its own version of that judged this PR.")
    if policies := [name for name in plan.policies if f"policies/{name}.yaml" not in report.mends]:
        names = ", ".join(code(name) for name in policies[:20])
        notes.append(f"**Gates changed here** take effect only after the merge: {names}. main's judged this PR.")
    if plan.removed_models:
        notes.append("**Removed models**: " + ", ".join(code(name) for name in plan.removed_models[:50]))
    notes += [f"**Release** {r.move} {r.model} in {r.environment}: {text(r.description)}" for r in plan.releases[:50]]
    if (people := must_approve(report)) > 1:
        reasons = "; ".join(text(rule.because, 300) for rule in report.approvals if rule.people == people)
        notes.append(f"**Approvals**: {people} people must approve: {reasons}")
    if notes:
        blocks.append(Block("\n".join(f"- {note}" for note in notes)))
    return blocks


def _reasons(reasons: Sequence[str]) -> str:
    more = f" and {len(reasons) - 4:,} more" if len(reasons) > 4 else ""  # noqa: PLR2004 - four fill a line
    return ", ".join(text(reason) for reason in reasons[:4]) + more


def _blast_radius(plan: Plan, models: Sequence[ModelReport]) -> str:
    verdicts = {model.record.id: "✅" if model.verdict.passed else "❌" for model in models}
    rows = [
        [
            code(impact.changed),
            _codes(impact.columns, 6),
            ", ".join(f"{code(m)} {verdicts.get(m, '')}".strip() for m in impact.models[:8])
            + (f" and {len(impact.models) - 8:,} more" if len(impact.models) > 8 else "")  # noqa: PLR2004
            or "none",
        ]
        for impact in plan.impacts
    ]
    total = len({model for impact in plan.impacts for model in impact.models})
    return (
        f"**Blast radius**: {plural(total, 'model version')} {'uses' if total == 1 else 'use'} what changed\n\n"
        + table(["changed", "feature columns", "used by"], rows, most=_IMPACTS)
    )


def _codes(values: Sequence[str], most: int) -> str:
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return (", ".join(code(value) for value in values[:most]) + more) or "none"


def _plan_details(plan: Plan) -> str:
    lines = [f"- {file.change}: {code(file.path, 200)}" for file in plan.files[:_FILES]]
    if len(plan.files) > _FILES:
        lines.append(f"- … and {len(plan.files) - _FILES:,} more")
    models = [f"- {code(model.id)}: {_reasons(model.because)}" for model in plan.models[:_FILES]]
    body = "\n".join(lines)
    if models:
        body += "\n\nConcerned:\n\n" + "\n".join(models)
    return details(f"What changed ({plural(len(plan.files), 'file')}) and why each model is concerned", body)


def _footer(report: PullRequestReport) -> str:
    parts = [link(item.title, item.url) for item in report.links]
    parts += [f"commit {code(report.commit[:10])} on {code(report.base[:10])}"]
    if len(report.models) == 1:
        record = report.models[0].record
        parts += [f"content key {code(short(record.content_key))}", f"run {code(record.run_id[:12])}"]
    return "---\n" + " · ".join([*parts, f"updated {moment(report.at)}"])
