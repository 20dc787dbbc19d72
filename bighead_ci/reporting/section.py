"""One model version in the comment."""

from __future__ import annotations

from bighead_ci.delivery.comparison import outcome
from bighead_ci.documents.base import short
from bighead_ci.documents.chart import Curve, Matrix
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.record import DriftResult
from bighead_ci.documents.report import ModelReport
from bighead_ci.reporting import charts
from bighead_ci.reporting.answering import SMALLER, answers, refusals
from bighead_ci.reporting.comparison import (
    Delta,
    MetricRow,
    OtherRows,
    SliceChange,
    baseline,
    compared_on_all,
    distinct_runs,
    gate_counts,
    input_differences,
    label,
    metric_rows,
    names_of_runs,
    other_rows,
    other_seconds,
    parameter_differences,
    seconds_that_ran,
    slice_baseline,
    slice_changes,
    unmeasured_inputs,
    worse_slices,
)
from bighead_ci.reporting.escaping import GAP, code, details, fence, link, printable, table, text
from bighead_ci.reporting.evaluation_tables import importance_table, matrix_table
from bighead_ci.reporting.figures import (
    NONE,
    figure,
    interval,
    percent,
    plural,
    seconds,
    signed,
    size,
)
from bighead_ci.reporting.gates import gate_table
from bighead_ci.reporting.histograms import score_lines
from bighead_ci.reporting.pictures import inline_picture
from bighead_ci.reporting.shortening import Block

MARK = {"better": "▲ better", "worse": "▼ worse", "no clear change": "≈ no clear change", "": ""}
"""A metric's outcome in the comment."""

_METRICS, _SLICES, _FAILED, _DRIFTED, _DIFFERENCES = 20, 12, 20, 5, 120


class ModelSection:
    """Blocks of Markdown about one model version; `rank` of each says how soon it may go.

    Beside others a model that passes goes before the words of one that fails: the overview has its line.
    """

    def __init__(self, model: ModelReport, *, alone: bool, pictures: int) -> None:
        self.model = model
        self.record = model.record
        self.base = baseline(model)
        self.runs = distinct_runs(model.running)
        self.titled = not alone
        self.pictures = pictures
        dispensable = model.verdict.passed and not alone
        self.core = 90 if dispensable else 0 if alone else 5
        self.sooner = 100 if dispensable else 0
        self.name = self.record.id.replace("/", " ")

    def glance(self) -> list[Block]:
        """What a reviewer compares: metrics, pictures, quality, drift, callers, slices, cost, scores."""
        blocks = [Block(self._metrics(), self.core, "model section"), *self._pictures()]
        blocks.append(Block(self._summary(), self.core, "summary list"))
        if self.model.drift and self.model.drift.matters:
            blocks.append(Block(self._drift(), self.sooner + 20, "drift table"))
        blocks.append(Block(self._scores(), self.sooner + 30, "score distribution"))
        return blocks

    def depth(self) -> list[Block]:
        """What can be opened."""
        blocks = [
            Block(self._slices(), self.sooner + 60, "slice section"),
            Block(self._little_used_drift(), self.sooner + 62, "drift section"),
            Block(self._gates(), self.sooner + 65, "gate section"),
            Block(self._changes(), self.sooner + 70, "difference section"),
        ]
        tables = [matrix_table(self.name, one) for one in self.record.evaluation.charts if isinstance(one, Matrix)]
        blocks += [Block(one, self.sooner + 75, "confusion table") for one in tables]
        if importance := importance_table(self.name, self.record, self.runs):
            blocks.append(Block(importance, self.sooner + 77, "importance section"))
        blocks.append(Block(self._run(), self.sooner + 85, "run section"))
        return blocks

    def _gates(self) -> str:
        return details(f"Gates of {self.name}, rule by rule", gate_table(self.model.verdict))

    def _metrics(self) -> str:
        beside = compared_on_all(self.model)
        now = [text(f"{r.environment} now ({r.version})") for r in beside]
        deltas = [f"Δ vs {text(name)} [95 %]" for name, _ in distinct_runs(beside)]
        rows = [self._metric_row(row) for row in metric_rows(self.model)]
        lines = []
        if self.titled:
            passed, applied = gate_counts([self.model.verdict])
            mark = "✅" if self.model.verdict.passed else "❌"
            lines.append(f"#### {mark} {self.name}: {passed} of {plural(applied, 'gate')}")
        head = ["metric", "this PR [95 %]", *now, *deltas, "gate"]
        lines.append(table(head, rows, most=_METRICS) if rows else "No metric: the evaluation measured nothing.")
        if not self.model.running:
            lines.append(f"Nothing serves {self.record.model} yet: there is nothing to compare with.")
        if beside:
            evaluated = self.record.evaluation.rows
            lines.append(f"Δ is this PR less what runs, paired over the {evaluated:,} rows that both scored.")
        return "\n\n".join([*lines, *map(self._on_other_rows, other_rows(self.model))])

    def _on_other_rows(self, other: OtherRows) -> str:
        """Figures of other rows stand apart, with their count."""
        name, own = text(other.name), other.record.evaluation
        if other.shared:
            head = ["metric", "this PR", name, "Δ [95 %]"]
            rows = [
                [text(d.metric), figure(d.ours), figure(d.theirs), _delta(Delta(d, outcome(d)))] for d in other.shared
            ]
            counts = f"{other.shared[0].rows:,} of this PR's {self.record.evaluation.rows:,} rows"
            return f"Against {name}, both on the {counts} that both scored:\n\n{table(head, rows, most=_METRICS)}"
        why = other.uncompared.reason if other.uncompared else "no difference was measured"
        mark = "❌" if other.uncompared and other.uncompared.changed else "⚠️"
        metrics = ", ".join(f"{text(n)} {figure(m.value)}" for n, m in [*own.metrics.items()][:_METRICS])
        recorded = f"On its own {own.rows:,} rows it had: {metrics}." if metrics else ""
        return f"{mark} **Not compared with {name}**: {text(why, 600)}.\n\n{recorded}".strip()

    @staticmethod
    def _metric_row(row: MetricRow) -> list[str]:
        gates = ", ".join(f"{'✅' if passed else '❌'}{GAP}{text(gate)}" for gate, passed in row.gates)
        mine = f"**{figure(row.mine.value)}**{GAP}{interval(row.mine.low, row.mine.high)}"
        return [text(row.name), mine, *map(figure, row.theirs), *map(_delta, row.deltas), gates or NONE]

    def _pictures(self) -> list[Block]:
        """The differences in sight, the curves and scores behind a click."""
        evaluation = self.record.evaluation
        drawn = []
        if self.model.differences:
            forest = charts.metric_forest(self.model.differences, names_of_runs(self.model))
            drawn.append((forest, f"Metrics of {self.name} against what runs, with intervals"))
        if curves := [one for one in evaluation.charts if isinstance(one, Curve)]:
            others = {name: run.evaluation for name, run in self.runs}
            names = " and ".join(one.name for one in curves)
            drawn.append((charts.curves(curves, others), f"{names[0].upper()}{names[1:]} of {self.name}"))
        if evaluation.score_histogram.total:
            drawn.append((charts.score_histogram(self._histograms()), f"Scores of {self.name}"))
        pictures = [picture for spec, words in drawn[: self.pictures] if (picture := inline_picture(spec, words))]
        first = 1 if self.model.differences else 0
        blocks = [Block(picture, self.sooner + 95, "picture") for picture in pictures[:first]]
        if pictures[first:]:
            plots = details(f"Curves and scores of {self.name}", "\n\n".join(pictures[first:]))
            blocks.append(Block(plots, self.sooner + 100, "picture section"))
        return blocks

    def _histograms(self) -> dict[str, Histogram]:
        theirs = {name: run.evaluation.score_histogram for name, run in self.runs}
        return {charts.THIS: self.record.evaluation.score_histogram, **theirs}

    def _summary(self) -> str:
        """What needs no table, an item each."""
        items = [
            *self._unheld(),
            *self._fell(),
            self._quality(),
            *self._notes(),
            *self._beyond(),
            self._drift_line(),
            *self._callers(),
            *self._libraries(),
            *self._worse(),
            self._cost(),
            *self._held(),
        ]
        return "\n".join(f"- {item}" for item in items)

    def _unheld(self) -> list[str]:
        if self.record.sandbox != "none":
            return []
        return ["⚠️ **No sandbox**: this code ran with all rights of whoever ran the checks (docs/security.md)"]

    def _fell(self) -> list[str]:
        if not self.record.fell:
            return []
        heading = f"⚠️ **No compiled kind**: {answers(self.record)}, for nothing faster scores as the estimator does"
        return ["\n".join([heading, *(f"  - {line}" for line in (*refusals(self.record), SMALLER))])]

    def _held(self) -> list[str]:
        return [] if self.record.sandbox == "none" else [f"**Sandbox**: {code(self.record.sandbox)}"]

    def _quality(self) -> str:
        quality = self.record.quality
        if not quality.results:
            return "⚠️ **Data quality**: no expectation is declared, so nothing was checked"
        if not quality.failed:
            return f"✅ **Data quality**: all {plural(quality.passed, 'expectation')} hold"
        failed = [r for r in quality.results if not r.success]
        lines = [f"❌ **Data quality**: {quality.failed:,} of {plural(len(quality.results), 'expectation')} fail"]
        for r in failed[:_FAILED]:
            where = f"{code(r.column)}: " if r.column else ""
            lines.append(f"  - {where}expected {text(r.expected)}; saw {text(r.observed)} ({code(r.suite)})")
        if len(failed) > _FAILED:
            lines.append(f"  - … and {len(failed) - _FAILED:,} more")
        return "\n".join(lines)

    def _notes(self) -> list[str]:
        return [f"⚠️ **Evaluation**: {text(words, 400)}" for words in self.record.evaluation.notes]

    def _beyond(self) -> list[str]:
        beyond = self.record.training_set.beyond
        features = ", ".join(f"{code(name)} ({count:,})" for name, count in [*beyond.items()][:_FAILED])
        more = f" and {len(beyond) - _FAILED:,} more" if len(beyond) > _FAILED else ""
        what = "⚠️ **Too large**: values that int64 or float64 cannot hold are null"
        return [f"{what}: {features}{more}"] if beyond else []

    def _callers(self) -> list[str]:
        changes = self.model.request_changes
        if not self.base:
            return []
        if not changes:
            return ["**Callers**: nothing changes for them"]
        more = f" and {len(changes) - _FAILED:,} more" if len(changes) > _FAILED else ""
        return [f"**Callers**: {'; '.join(text(change) for change in changes[:_FAILED])}{more}"]

    def _libraries(self) -> list[str]:
        changes = {lock: found for lock, found in self.model.package_changes.items() if found}
        if not self.base:
            return []
        if not changes:
            return ["**Libraries**: the same as in " + text(label(self.base))]
        return [
            f"**Libraries for {text(lock)}**: {'; '.join(text(change) for change in found[:_FAILED])}"
            f"{f' and {len(found) - _FAILED:,} more' if len(found) > _FAILED else ''}"
            for lock, found in changes.items()
        ]

    def _worse(self) -> list[str]:
        slices, worse = self.record.evaluation.slices, worse_slices(self.model)
        if not slices:
            return []
        total = plural(len(slices), "slice")
        if not slice_baseline(self.model):
            why = (
                "nothing to compare with" if not self.base else f"{text(label(self.base))} was evaluated on other rows"
            )
            return [f"**Slices**: {total}, {why}"]
        if not worse:
            return [f"**Slices**: none of {total} got worse on {text(self.record.evaluation.primary)}"]
        clear = sum(change.clear for change in worse)
        worst = worse[0]
        where = f"{code(worst.column)} = {text(worst.value, 60)}"
        lost = f"{signed(worst.gain)} on {plural(worst.rows, 'row')}"
        return [f"**Slices**: {len(worse)} of {total} got worse, {clear or 'none'} clearly; worst {where} ({lost})"]

    def _cost(self) -> str:
        """Seconds here by stage, the content key that decided it, and what was reused."""
        stages, key = seconds_that_ran(self.record), f"content key {code(short(self.record.content_key))}"
        spent = f"**Cost**: {seconds(self.model.seconds)} in this PR"
        if self.model.reused:
            took = seconds(sum(stages.values()))
            return (
                f"{spent}; {key} has a record, which is reused: nothing ran (its stages took {took} when it was made)"
            )
        ran = [f"{text(stage)} {seconds(n)}" for stage, n in stages.items()]
        rest = f"images, drift and record {seconds(other_seconds(self.model))}"
        timings = self.record.timings
        reused = f"; reused {', '.join(map(text, timings.reused))}" if timings.reused else ""
        return f"{spent}: {', '.join([*ran, rest])}{reused}; {key} had no record"

    def _scores(self) -> str:
        """The distributions under one another, in signs that need no picture."""
        lines = score_lines({printable(name, 60): one for name, one in self._histograms().items()})
        return fence("\n".join(lines), "text") if lines else ""

    def _drift_line(self) -> str:
        drift = self.model.drift
        if drift is None or not drift.columns:
            return "**Drift**: nothing to compare the training set with"
        left = unmeasured_inputs(self.model)
        beside = f"; {plural(len(left), 'input')} could not be compared (new, a list or a time)" if left else ""
        words = (
            f"{drift.drifted or 'none'} of {plural(len(drift.columns), 'column')} moved against {text(drift.reference)}"
        )
        return f"{'⚠️' if drift.matters else '✅'} **Drift**: {words}{self._weight(drift)}{beside}"

    @staticmethod
    def _weight(drift: DriftResult) -> str:
        """What of it the scores rest on; if nothing moved, what came nearest."""
        first = drift.columns[0]
        if not drift.drifted:
            furthest = max(drift.columns, key=lambda one: one.score / one.threshold)
            by_chance = "; further than allowed but not than chance:" if furthest.score >= furthest.threshold else ""
            figures = f"{figure(furthest.score)} of {figure(furthest.threshold)} allowed"
            return f"{by_chance or '; furthest'} {code(furthest.column)}, {figures}"
        if not drift.matters:
            return "; the scores rest on none of them"
        if first.importance is None:
            return ""
        return f"; {code(first.column)} carries {percent(first.importance)} of the scores"

    def _drift(self) -> str:
        columns = self.model.drift.columns if self.model.drift else []
        rows = [
            [
                code(c.column),
                text(c.method),
                figure(c.score),
                figure(c.threshold),
                NONE if c.importance is None else percent(c.importance),
                "⚠️ yes" if c.matters else "little used" if c.drifted else "no",
            ]
            for c in columns
        ]
        head = ["column", "how it is measured", "distance", "threshold", "of the scores", "drifted"]
        return table(head, rows, numbers=(2, 3, 4), most=_DRIFTED)

    def _little_used_drift(self) -> str:
        """Of columns that the scores rest little on, for whoever opens it."""
        drift = self.model.drift
        return details(f"Drift of {self.name}", self._drift()) if drift and drift.drifted and not drift.matters else ""

    def _slices(self) -> str:
        primary = text(self.record.evaluation.primary)
        changes = worse_slices(self.model) or slice_changes(self.model)
        if not changes:
            return ""
        base = slice_baseline(self.model)
        head = ["slice", "rows", f"{primary} here", text(label(base)) if base else NONE, "gain", ""]
        worse = bool(worse_slices(self.model))
        title = f"Slices of {self.name} that got worse" if worse else f"Slices of {self.name}, least gain first"
        rows = [self._slice_row(c) for c in changes]
        return details(title, table(head, rows, numbers=(1, 3, 4), most=_SLICES))

    @staticmethod
    def _slice_row(c: SliceChange) -> list[str]:
        here = f"{figure(c.mine.value)} {interval(c.mine.low, c.mine.high)}"
        there = figure(c.theirs.value) if c.theirs else NONE
        name = f"{code(c.column)} = {text(c.value, 60)}"
        return [name, f"{c.rows:,}", here, there, signed(c.gain), "clearly" if c.clear else ""]

    def _changes(self) -> str:
        base = self.base.record if self.base else None
        added, removed = input_differences(self.model)
        rows = [[f"parameter {code(d.name)}", text(d.theirs, 120), text(d.mine, 120)]
                for d in parameter_differences(self.model)]  # fmt: skip
        rows += [[f"input {code(column)}", "–", "added"] for column in added]
        rows += [[f"input {code(column)}", "removed", "–"] for column in removed]
        here = self.record
        grown = f" ({size(here.artifact_bytes - base.artifact_bytes)})" if base else ""
        if base and here.artifact_bytes >= base.artifact_bytes:
            grown = f" (+{size(here.artifact_bytes - base.artifact_bytes)})"
        rows[:0] = [
            ["artifact", f"{code(short(base.artifact))} {size(base.artifact_bytes)}" if base else NONE,
             f"{code(short(here.artifact))} {size(here.artifact_bytes)}{grown}"],
            ["image", code(short(base.image)) if base else NONE, code(short(here.image))],
            ["training set", code(short(base.training_set_digest)) if base else NONE,
             code(short(here.training_set_digest))],
        ]  # fmt: skip
        rows[3:3] = self._feature_rows()
        if not self.base:
            return details(f"What {self.name} is made of", table(["", NONE, "this PR"], rows, most=_DIFFERENCES))
        against = label(self.base)
        head = ["", text(against), "this PR"]
        return details(f"What differs between {self.name} and {against}", table(head, rows, most=_DIFFERENCES))

    def _feature_rows(self) -> list[list[str]]:
        theirs = {f.set: f.digest for f in self.base.record.features} if self.base else {}
        mine = {f.set: f.digest for f in self.record.features}
        return [
            [
                f"feature set {code(name)}",
                *(code(short(side[name])) if name in side else NONE for side in (theirs, mine)),
            ]
            for name in sorted({*mine, *theirs})
            if mine.get(name) != theirs.get(name)
        ]

    def _run(self) -> str:
        record, data = self.record, self.record.training_set
        left_out = (("outside the split", data.outside_split), ("without label", data.unlabelled),
                    ("not yet mature", data.immature))  # fmt: skip
        kept = f"{data.rows:,} rows, {data.train_rows:,} to train and {data.evaluate_rows:,} to evaluate"
        lines = [
            f"- training set: {kept}; left out: {', '.join(f'{n:,} {what}' for what, n in left_out)}",
            f"- the artifact repeats the estimator's own scores to within {figure(record.evaluation.conversion_error)}",
            *self._kind(),
            f"- run {code(record.run_id)}, content key {code(short(record.content_key))}",
            *(f"- {link(item.title, item.url)}" for item in self.model.links),
        ]
        return details(f"The run of {self.name}: rows, digests, where to look", "\n".join(lines))

    def _kind(self) -> list[str]:
        """What answers, where that is no news."""
        if self.record.kind is None or self.record.fell:
            return []
        return ["; ".join([f"- {text(answers(self.record))}", *refusals(self.record)])]


def _delta(delta: Delta) -> str:
    d = delta.measured
    if d is None:
        return NONE
    return f"**{signed(d.difference)}**{GAP}{interval(d.low, d.high, sign=True)} {MARK[delta.outcome]}".strip()
