"""Tables of one model's evaluation that can be opened: what its scores rest on, and who was taken for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bighead_ci.documents.chart import Matrix
from bighead_ci.documents.record import RunRecord
from bighead_ci.reporting.escaping import code, details, table, text
from bighead_ci.reporting.figures import NONE, percent

_CLASSES, _INPUTS = 10, 40


@dataclass(frozen=True)
class InputShare:
    """How much the scores rest on one input, here and in what runs; None where that has no such input."""

    name: str
    mine: float | None
    theirs: list[float | None]


def measured_runs(runs: Sequence[tuple[str, RunRecord]]) -> list[tuple[str, Mapping[str, float]]]:
    """What to call each run whose importance was measured, with it; older engines measured none."""
    return [(name, run.evaluation.importance) for name, run in runs if run.evaluation.importance]


def input_shares(record: RunRecord, runs: Sequence[tuple[str, RunRecord]]) -> list[InputShare]:
    """Every input of the run and of what runs: the most important first, those that are gone last."""
    mine = record.evaluation.importance
    theirs = [shares for _, shares in measured_runs(runs)] if mine else []
    ranked = sorted(mine, key=lambda name: -mine[name])
    gone = sorted({name for shares in theirs for name in shares} - mine.keys())
    return [InputShare(name, mine.get(name), [shares.get(name) for shares in theirs]) for name in [*ranked, *gone]]


def importance_table(title: str, record: RunRecord, runs: Sequence[tuple[str, RunRecord]]) -> str:
    """The section; empty where importance was not measured."""
    shares = input_shares(record, runs)
    if not shares:
        return ""
    exact = record.evaluation.attributed
    parts = exact.shares() if exact else {}
    head = ["input", "of the scores", *(["of all &#124;SHAP&#124;"] if exact else [])]
    head += [text(name) for name, _ in measured_runs(runs)]
    rows = []
    for one in shares:
        figures = [one.mine, *([parts.get(one.name)] if exact else []), *one.theirs]
        rows.append([code(one.name), *(NONE if n is None else percent(n) for n in figures)])
    section = table(head, rows, range(1, len(head)), most=_INPUTS)
    if exact:
        section += (
            f"\n\nOf the scores: how far they move when an input's values are exchanged between rows. Of all "
            f"&#124;SHAP&#124;: exact, by the Shapley values of {exact.rows:,} evaluation rows ({code(exact.of)})."
        )
    return details(f"What the scores of {title} rest on", section)


def matrix_table(title: str, matrix: Matrix) -> str:
    """The section of a matrix of counts by class."""
    classes = matrix.names[:_CLASSES]
    rows = [
        [f"**{text(name, 40)}**", *(f"{n:,} ({percent(n, sum(line))})" for n in line[:_CLASSES])]
        for name, line in zip(classes, matrix.counts, strict=False)
    ]
    head = ["truth ↓ prediction →", *(text(name, 40) for name in classes)]
    cut = "" if len(classes) == len(matrix.names) else f", the first {_CLASSES} classes"
    name = f"{matrix.name[0].upper()}{matrix.name[1:]} matrix of {title}{cut}"
    return details(name, table(head, rows, numbers=range(1, len(head))))
