"""The full report: one page that needs no network, with every plot, expectation, profile and gate input."""

from __future__ import annotations

import os
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bighead_ci.documents.base import short
from bighead_ci.documents.report import ModelReport, PullRequestReport
from bighead_ci.reporting import charts, figures
from bighead_ci.reporting.charts import Spec
from bighead_ci.reporting.comparison import (
    baseline,
    distinct_runs,
    gate_counts,
    input_differences,
    label,
    metric_rows,
    names_of_runs,
    parameter_differences,
    slice_changes,
    worse_slices,
)
from bighead_ci.reporting.escaping import printable, web_address
from bighead_ci.reporting.headline import headline
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
    """Write the page beside its place, then rename: a reader never sees half of it."""
    page.parent.mkdir(parents=True, exist_ok=True)
    beside = page.with_name(f".{page.name}.{os.getpid()}.partial")
    beside.write_text(page_of(report), encoding="utf-8")
    beside.replace(page)


def page_of(report: PullRequestReport) -> str:
    """The page as text."""
    return _PIECES.get_template("report.html.jinja").render(
        report=report,
        headline=headline(report),
        models=[ModelView(model) for model in report.models],
        dark=Markup(dark_rules()),  # noqa: S704 - colours of ours
    )


class ModelView:
    """What the template shows of one model version; plots are drawn when it asks for them."""

    def __init__(self, model: ModelReport) -> None:
        self.model = model
        self.record = model.record
        self.base = baseline(model)
        self.against = label(self.base) if self.base else ""
        self.title = self.record.id.replace("/", " ")
        self.gates_passed, self.gates_applied = gate_counts([model.verdict])
        self.metrics = metric_rows(model)
        self.slices = slice_changes(model)
        self.worse = worse_slices(model)
        self.parameters = parameter_differences(model)
        self.inputs_added, self.inputs_removed = input_differences(model)
        self.expectations = sorted(self.record.quality.results, key=lambda r: r.success)
        self.gates = sorted(model.verdict.gates, key=lambda g: (not g.applied, g.passed))
        self._others = {name: run.evaluation for name, run in distinct_runs(model)}

    def forest(self) -> Markup:
        """Differences from what runs."""
        if not self.model.differences:
            return Markup()
        spec = charts.metric_forest(self.model.differences, names_of_runs(self.model), width=420)
        return _plot(spec, f"Metrics of {self.title} against what runs")

    def curves(self) -> Markup:
        """ROC and calibration."""
        evaluation = self.record.evaluation
        if not (evaluation.roc or evaluation.calibration):
            return Markup()
        return _plot(charts.curves(evaluation, self._others, width=230), f"ROC and calibration of {self.title}")

    def scores(self) -> Markup:
        """Score distributions."""
        theirs = {name: evaluation.score_histogram for name, evaluation in self._others.items()}
        spec = charts.score_histogram({charts.THIS: self.record.evaluation.score_histogram, **theirs}, width=520)
        return _plot(spec, f"Scores of {self.title}")

    def slice_plot(self) -> Markup:
        """The primary metric by slice, those that lost most."""
        if not self.slices:
            return Markup()
        primary = self.record.evaluation.primary
        return _plot(charts.slices(self.slices[:_SLICES], primary, self.against), f"{primary} of {self.title} by slice")

    def drift_plot(self) -> Markup:
        """Distance of each column from the reference."""
        drift = self.record.drift
        if drift is None or not drift.columns:
            return Markup()
        return _plot(charts.drift(drift.columns[:_DRIFTED]), f"Drift of the inputs of {self.title}")

    def confusion(self) -> Markup:
        """Truth by prediction; a table says it when there are many classes."""
        evaluation = self.record.evaluation
        if not evaluation.confusion or len(evaluation.classes) > _CLASSES:
            return Markup()
        return _plot(charts.confusion(evaluation.classes, evaluation.confusion), f"Confusion matrix of {self.title}")


def _plot(spec: Spec, alternative: str) -> Markup:
    return Markup(svg(spec, alternative))  # noqa: S704 - parsed and written again by pictures, text escaped


def _harmless(url: str) -> str:
    return web_address(url, {"http", "https", "file", ""})


_PIECES.filters.update(
    figure=figures.figure,
    signed=figures.signed,
    interval=figures.interval,
    seconds=figures.seconds,
    size=figures.size,
    percent=figures.percent,
    moment=figures.moment,
    plural=figures.plural,
    sparkline=figures.sparkline,
    short=short,
    shown=printable,
    address=_harmless,
)
