"""The full report: one page that needs no network, with every plot, expectation, profile and gate input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bighead_ci.documents.base import write_atomically
from bighead_ci.documents.chart import Curve, Matrix
from bighead_ci.documents.report import ModelReport, PullRequestReport, ReportEntry, TrainedReport
from bighead_ci.reporting import charts, figures
from bighead_ci.reporting.charts import Spec
from bighead_ci.reporting.comparison import (
    baseline,
    compared_on_all,
    distinct_runs,
    failing_first,
    gate_counts,
    input_differences,
    label,
    metric_rows,
    names_of_runs,
    other_rows,
    other_seconds,
    parameter_differences,
    primary_figure,
    slice_baseline,
    slice_changes,
    unmeasured_inputs,
    worse_slices,
)
from bighead_ci.reporting.escaping import printable, web_address
from bighead_ci.reporting.evaluation_tables import input_shares, measured_runs
from bighead_ci.reporting.gates import WHAT_TO_DO, reason
from bighead_ci.reporting.headline import advice, headline
from bighead_ci.reporting.pictures import dark_rules, svg

_SLICES, _DRIFTED, _CLASSES = 40, 30, 12
_PIECES = Environment(
    loader=PackageLoader("bighead_ci.reporting"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: "" if value is None else value,
)


def write_page(report: PullRequestReport, page: Path) -> None:
    """Write the page; a reader never sees half of it."""
    write_atomically(page, page_of(report).encode())


def page_of(report: PullRequestReport) -> str:
    """The page as text."""
    return _PIECES.get_template("report.html.jinja").render(
        report=report,
        headline=headline(report),
        advice=advice(report),
        what_to_do=WHAT_TO_DO,
        models=[ModelView(model, place) for place, model in enumerate(failing_first(report.models))],
    )


def write_trained(report: TrainedReport, page: Path) -> None:
    """Write the page of a run in a checkout; a reader never sees half of it."""
    text = _PIECES.get_template("trained.html.jinja").render(report=report, model=ModelView(report.model, 0))
    write_atomically(page, text.encode())


def write_index(entries: Sequence[ReportEntry], page: Path) -> None:
    """Write the list of reports; a reader never sees half of it."""
    text = _PIECES.get_template("index.html.jinja").render(entries=entries)
    write_atomically(page, text.encode())


class ModelView:
    """What the template shows of one model version; plots are drawn when it asks for them."""

    def __init__(self, model: ModelReport, place: int) -> None:
        self.model = model
        self.place = place
        self.record = model.record
        self.base = baseline(model)
        self.against = label(self.base) if self.base else ""
        self.title = self.record.id.replace("/", " ")
        self.gates_passed, self.gates_applied = gate_counts([model.verdict])
        self.metrics = metric_rows(model)
        beside = compared_on_all(model)
        now = [f"{running.environment} now ({running.version})" for running in beside]
        deltas = [f"Δ vs {name} [95 %]" for name, _ in distinct_runs(beside)]
        self.metric_columns = ["metric", "this PR [95 %]", *now, *deltas, "gates that read it"]
        self.metric_numbers = range(2, 2 + len(now))
        self.rows_compared = self.record.evaluation.rows if beside else 0
        self.other_rows = other_rows(model)
        self.matrices = [one for one in self.record.evaluation.charts if isinstance(one, Matrix)]
        first = self.metrics[0] if self.metrics else None
        self.primary, self.primary_rows = primary_figure(first, self.record.evaluation.rows) if first else (0.0, "")
        self.slices_against = label(base) if (base := slice_baseline(model)) else ""
        self.other_seconds = other_seconds(model)
        self.unmeasured = unmeasured_inputs(model)
        self.slices = slice_changes(model)
        self.worse = worse_slices(model)
        self.parameters = parameter_differences(model)
        self.inputs_added, self.inputs_removed = input_differences(model)
        self.packages = {lock: changes for lock, changes in model.package_changes.items() if changes}
        self.expectations = sorted(self.record.quality.results, key=lambda r: r.success)
        self.gates = sorted(model.verdict.gates, key=lambda g: (not g.applied, g.passed))
        runs = distinct_runs(model.running)
        self.shares = input_shares(self.record, runs)
        self.shares_beside = [name for name, _ in measured_runs(runs)]
        self._others = {name: run.evaluation for name, run in runs}

    def plots(self) -> list[Markup]:
        """Whatever can be drawn of the evaluation: differences, scores, curves, confusion."""
        evaluation, title = self.record.evaluation, self.title
        drawn = []
        if self.model.differences:
            forest = charts.metric_forest(self.model.differences, names_of_runs(self.model), width=340)
            drawn.append((forest, f"Metrics of {title} against what runs; the table above has the numbers"))
        histograms = {charts.THIS: evaluation.score_histogram}
        histograms |= {name: other.score_histogram for name, other in self._others.items()}
        if evaluation.score_histogram.total:
            drawn.append((charts.score_histogram(histograms, width=380), f"Share of rows by score of {title}"))
        for one in evaluation.charts:
            name = charts.titled(one)
            if isinstance(one, Curve):
                drawn.append((charts.curve(one, self._others, width=260), f"{name} of {title}"))
            elif len(one.names) <= _CLASSES:
                drawn.append((charts.matrix(one), f"{name} of {title}; the table below has the numbers"))
        return [_plot(spec, words) for spec, words in drawn]

    def slice_plot(self) -> Markup:
        """The primary metric by slice, those that lost most."""
        if not self.slices:
            return Markup()
        primary = self.record.evaluation.primary
        return _plot(
            charts.slices(self.slices[:_SLICES], primary, self.slices_against), f"{primary} of {self.title} by slice"
        )

    def drift_plot(self) -> Markup:
        """Distance of each column from the reference."""
        drift = self.model.drift
        if drift is None or not any(column.score > 0 for column in drift.columns):
            return Markup()
        return _plot(charts.drift(drift.columns[:_DRIFTED]), f"Drift of the inputs of {self.title}")


def _plot(spec: Spec, alternative: str) -> Markup:
    return Markup(svg(spec, alternative))  # noqa: S704 - parsed and written again by pictures, text escaped


def _safe_address(url: str) -> str:
    return web_address(url, {"http", "https", "file", ""})


_PIECES.globals["dark"] = Markup(dark_rules())  # noqa: S704 - colours of ours
_PIECES.filters["titled"] = charts.titled
_PIECES.filters.update(
    figure=figures.figure,
    signed=figures.signed,
    interval=figures.interval,
    seconds=figures.seconds,
    size=figures.size,
    percent=figures.percent,
    moment=figures.moment,
    plural=figures.plural,
    reason=reason,
    shown=printable,
    address=_safe_address,
)
