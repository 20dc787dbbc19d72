"""Plots as Vega-Lite specifications, plain data: what is drawn, not how it becomes a picture.

Colours are names of roles here; `pictures` gives each role its light and its dark colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bighead_ci.documents.chart import Chart, Curve, CurvePoint, Matrix
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.record import ColumnDrift, EvaluationResult, MetricDifference
from bighead_ci.reporting.comparison import SliceChange
from bighead_ci.reporting.histograms import drawn
from bighead_ci.tasks.registry import METRICS

Spec = dict[str, Any]

INK, MUTED, GRID = "#1f2328", "#59636e", "#d1d9e0"
MINE, BAD = "#0969da", "#cf222e"
OTHERS = ("#bc4c00", "#8250df", "#9a6700", "#59636e")
"""One for each run that serves somewhere; this run is `MINE`."""

_DRIFT_STATES = ("drifted", "drifted, little used", "steady")
THIS = "this PR"
_FONT = "Liberation Sans"
_CURVE_POINTS = 24
_MEASURED = 13
"""Font size that room is reserved for; `pictures` writes a smaller one, so that wider fonts of a reader still fit."""
_CONFIG: Spec = {
    "background": None,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": GRID, "domainColor": GRID, "tickColor": GRID,
        "labelFontSize": _MEASURED, "titleFontSize": _MEASURED, "titleFontWeight": "normal", "labelLimit": 290,
        "ticks": False, "labelPadding": 5, "labelFlush": False, "gridOpacity": 0.6,
    },
    "legend": {
        "labelColor": INK, "labelFontSize": _MEASURED, "orient": "top", "title": None, "offset": 4, "symbolSize": 50,
        "symbolStrokeWidth": 2, "symbolOpacity": 1, "symbolType": "circle", "labelLimit": 290,
    },
    "title": {"color": INK, "fontSize": _MEASURED, "fontWeight": "bold", "anchor": "start", "offset": 6},
    "concat": {"spacing": 24},
}  # fmt: skip


def chart(**content: Any) -> Spec:
    """A whole specification with the common look."""
    return {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": _CONFIG, "padding": 6, **content}


def metric_forest(differences: Sequence[MetricDifference], names: Mapping[str, str], width: int = 360) -> Spec:
    """Each metric's difference from each run that serves, with its interval, turned so that right is better.

    `names` says what to call the run of each environment; environments that serve the same run share one name.
    """
    rows = list({(d.metric, names.get(d.against, d.against)): d for d in reversed(differences)}.values())[::-1]
    finite = [d for d in rows if d.metric in METRICS and all(map(math.isfinite, (d.low, d.difference, d.high)))]
    runs = list(dict.fromkeys(names.get(d.against, d.against) for d in finite))
    y: Spec = {"field": "metric", "type": "nominal", "sort": None, "title": None, "axis": {"grid": False}}
    offset: Spec = {"field": "against", "type": "nominal", "sort": runs}
    colour = _colours("against", runs, OTHERS)
    x: Spec = {"field": "low", "type": "quantitative", "title": "improvement with 95 % interval: right is better",
               "axis": {"tickCount": 5}}  # fmt: skip
    return chart(
        title="Against what runs now",
        width=width,
        height={"step": max(26 // max(len(runs), 1), 14), "for": "offset"},
        data={"values": [_forest_row(d, names) for d in finite]},
        layer=[
            {"data": {"values": [{}]}, "mark": {"type": "rule", "color": INK}, "encoding": {"x": {"datum": 0}}},
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"y": y, "yOffset": offset, "color": colour, "x": x, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                "encoding": {"y": y, "yOffset": offset, "color": colour, "x": {**x, "field": "difference"}},
            },
        ],
    )


def _forest_row(d: MetricDifference, names: Mapping[str, str]) -> Spec:
    metric = METRICS[d.metric]
    low, high = metric.gains(d.low, d.high)
    values = {"low": low, "difference": metric.gain(d.difference), "high": high}
    return {
        "metric": d.metric,
        "against": names.get(d.against, d.against),
        **{k: round(v, 5) for k, v in values.items()},
    }


def curves(mine: Sequence[Curve], others: Mapping[str, EvaluationResult], width: int = 190) -> Spec:
    """Curves side by side, each of this run and of those that serve."""
    return chart(hconcat=[_beside(one, others, width) for one in mine])


def curve(mine: Curve, others: Mapping[str, EvaluationResult], width: int) -> Spec:
    """One curve, of this run and of those that serve."""
    return chart(**_beside(mine, others, width))


def titled(one: Chart) -> str:
    """A chart's name as a title."""
    words = f"{one.name[0].upper()}{one.name[1:]}"
    return words if isinstance(one, Curve) else f"{words} matrix"


def _beside(mine: Curve, others: Mapping[str, EvaluationResult], width: int) -> Spec:
    lines = {THIS: mine.points}
    for name, run in others.items():
        same = (one for one in run.charts if isinstance(one, Curve) and one.name == mine.name)
        lines[name] = next((one.points for one in same), [])
    if not mine.dots:
        lines = {name: thinned(points) for name, points in lines.items()}
    return _square(mine, lines, width)


def _square(mine: Curve, lines: Mapping[str, Sequence[CurvePoint]], width: int) -> Spec:
    points = [
        {"run": name, "x": _rounded(p.x, mine), "y": _rounded(p.y, mine), "i": i}
        for name, line in lines.items()
        for i, p in enumerate(line)
        if math.isfinite(p.x) and math.isfinite(p.y)
    ]
    horizontal, vertical = _ranges(mine, points)
    ticks: Spec = {"values": [0, 0.25, 0.5, 0.75, 1], "format": ".2~f"} if mine.unit else {"tickCount": 5}
    line: Spec = {"type": "line", "strokeWidth": 2}
    if mine.dots:
        line["point"] = {"size": 25, "filled": True}
    drawn = {
        "data": {"values": points},
        "mark": line,
        "encoding": {
            "x": {**_axis("x", horizontal), "title": mine.x, "axis": ticks},
            "y": {**_axis("y", vertical), "title": mine.y, "axis": ticks},
            "order": {"field": "i", "type": "quantitative"},
            "color": _colours("run", list(lines), (MINE, *OTHERS)),
        },
    }
    layers = [_diagonal(horizontal), drawn] if mine.comparable else [drawn]
    return {"title": titled(mine), "width": width, "height": width, "layer": layers}


Range = tuple[float, float]


def _ranges(mine: Curve, points: Sequence[Mapping[str, Any]]) -> tuple[Range, Range]:
    """What the axes show; heights that are not comparable with places begin at 0."""
    if mine.unit or not points:
        return (0, 1), (0, 1)
    xs, ys = ([point[field] for point in points] for field in ("x", "y"))
    if mine.comparable:
        both = (min(*xs, *ys), max(*xs, *ys))
        return both, both
    return (min(xs), max(xs)), (min(0, *ys), max(0, *ys))


def _axis(field: str, shown: Range) -> Spec:
    return {"type": "quantitative", "scale": {"domain": list(shown)}, "field": field}


def _diagonal(shown: Range) -> Spec:
    return {
        "data": {"values": [{"x": at, "y": at} for at in shown]},
        "mark": {"type": "line", "color": MUTED, "strokeDash": [3, 3], "strokeWidth": 1},
        "encoding": {"x": _axis("x", shown), "y": _axis("y", shown)},
    }


def _rounded(value: float, of: Curve) -> float:
    return round(value, 3) if of.unit else float(f"{value:.4g}")


def thinned(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """At most `_CURVE_POINTS` points, both ends among them."""
    if len(points) <= _CURVE_POINTS:
        return list(points)
    last = len(points) - 1
    return [points[round(i * last / (_CURVE_POINTS - 1))] for i in range(_CURVE_POINTS)]


def score_histogram(runs: Mapping[str, Histogram], width: int = 420, height: int = 130) -> Spec:
    """Share of rows by score, the first run filled and the others as outlines."""
    shown = drawn(runs)
    names = list(shown)
    rows = [
        {"run": name, "score": round(edge, 4), "share": round(c / sum(one.counts), 5)}
        for name, one in shown.items()
        for edge, c in zip(one.edges, [*one.counts, one.counts[-1]], strict=True)
    ]
    edges = [edge for one in shown.values() for edge in one.edges]
    domain = [min(edges, default=0), max(edges, default=1)]
    encoding = {
        "x": {"field": "score", "type": "quantitative", "title": "score", "scale": {"domain": domain}},
        "y": {"field": "share", "type": "quantitative", "title": "share of rows", "axis": {"format": "%"},
              "stack": None},
        "color": _colours("run", names, (MINE, *OTHERS)),
    }  # fmt: skip
    first = {"filter": {"field": "run", "equal": names[0] if names else ""}}
    return chart(
        title="Scores",
        width=width,
        height=height,
        data={"values": rows},
        layer=[
            {
                "transform": [first],
                "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.25},
                "encoding": encoding,
            },
            {"mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2}, "encoding": encoding},
        ],
    )


def slices(changes: Sequence[SliceChange], metric: str, against: str, width: int = 300) -> Spec:
    """The metric on each slice, here (dot and interval) and in the baseline (ring)."""
    rows = [
        {
            "slice": f"{c.column} = {c.value}"[:60],
            "value": round(c.mine.value, 4),
            "low": round(c.mine.low, 4),
            "high": round(c.mine.high, 4),
            "theirs": round(c.theirs.value, 4) if c.theirs and math.isfinite(c.theirs.value) else None,
        }
        for c in changes
        if all(map(math.isfinite, (c.mine.value, c.mine.low, c.mine.high)))
    ]
    runs = [THIS, against] if against else [THIS]
    y: Spec = {"field": "slice", "type": "nominal", "sort": None, "title": None, "axis": {"grid": True}}
    x: Spec = {"type": "quantitative", "title": f"{metric} with 95 % interval", "scale": {"zero": False}}
    colour = {k: v for k, v in _colours("", runs, (MINE, *OTHERS)).items() if k != "field"}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {
                "y": y,
                "x": {**x, "field": "low"},
                "x2": {"field": "high"},
                "color": {**colour, "datum": THIS},
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
            "encoding": {"y": y, "x": {**x, "field": "value"}, "color": {**colour, "datum": THIS}},
        },
    ]
    if against:
        layers.append(
            {
                "transform": [{"filter": "isValid(datum.theirs)"}],
                "mark": {"type": "point", "filled": False, "size": 55, "strokeWidth": 2, "opacity": 1},
                "encoding": {"y": y, "x": {**x, "field": "theirs"}, "color": {**colour, "datum": against}},
            }
        )
    return chart(title=f"{metric} by slice", width=width, height={"step": 22}, data={"values": rows}, layer=layers)


def drift(columns: Sequence[ColumnDrift], width: int = 300) -> Spec:
    """Distance of each column from the reference as a share of its threshold: past the line it drifted."""
    rows = [
        {
            "column": c.column[:60],
            "share": round(min(c.score / c.threshold, 100.0), 4),
            "state": _DRIFT_STATES[0 if c.matters else 1 if c.drifted else 2],
        }
        for c in columns
        if c.threshold > 0 and math.isfinite(c.score)
    ]
    x: Spec = {"field": "share", "type": "quantitative", "title": "distance ÷ threshold: past 1 it drifted"}
    y: Spec = {"field": "column", "type": "nominal", "sort": None, "title": None, "axis": {"grid": False}}
    scale = {"domain": list(_DRIFT_STATES), "range": [BAD, MUTED, MINE]}
    return chart(
        title="Columns by distance",
        width=width,
        height={"step": 20},
        data={"values": rows},
        layer=[
            {
                "mark": {"type": "bar", "height": 10},
                "encoding": {"x": x, "y": y, "color": {"field": "state", "type": "nominal", "scale": scale}},
            },
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": INK, "strokeDash": [3, 3]},
                "encoding": {"x": {"datum": 1}},
            },
        ],
    )


def matrix(one: Matrix) -> Spec:
    """Truth by prediction; colour is the share of the true class."""
    classes, counts = one.names, one.counts
    names = [f"{i + 1}. {name[:24]}" if list(classes).count(name) > 1 else name[:24] for i, name in enumerate(classes)]
    rows = [
        {"truth": t, "prediction": p, "rows": f"{n:,}", "share": n / max(sum(line), 1)}
        for t, line in zip(names, counts, strict=False)
        for p, n in zip(names, line, strict=False)
    ]
    axis: Spec = {"type": "nominal", "sort": None, "axis": {"grid": False, "labelAngle": 0}}
    place = {"x": {**axis, "field": "prediction"}, "y": {**axis, "field": "truth"}}
    opacity = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0.05, 0.75]},
               "legend": None}  # fmt: skip
    return chart(
        title=f"{titled(one)}, rows",
        width={"step": 56},
        height={"step": 36},
        data={"values": rows},
        layer=[
            {"mark": {"type": "rect", "color": MINE}, "encoding": {**place, "opacity": opacity}},
            {
                "mark": {"type": "text", "color": INK, "fontSize": _MEASURED},
                "encoding": {**place, "text": {"field": "rows", "type": "nominal"}},
            },
        ],
    )


def _colours(field: str, names: Sequence[str], palette: Sequence[str]) -> Spec:
    """Colour by a field of names: the first name gets the first colour, and so on."""
    colours = [palette[i % len(palette)] for i in range(len(names))]
    return {"field": field, "type": "nominal", "scale": {"domain": list(names), "range": colours}}
