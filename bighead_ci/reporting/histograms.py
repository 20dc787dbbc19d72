"""Histograms of answers, for text and for pictures: an open end is shown as wide as the bin beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bighead_ci.documents.histogram import Histogram
from bighead_ci.reporting.figures import figure, sparkline


@dataclass(frozen=True)
class Bars:
    """A histogram as it is drawn: one edge more than there are counts."""

    edges: list[float]
    counts: list[int]

    @property
    def mean(self) -> float:
        """By the centres of the bins; NaN when it is empty."""
        total = sum(self.counts)
        if not total:
            return math.nan
        centres = [(left + right) / 2 for left, right in zip(self.edges, self.edges[1:], strict=False)]
        return sum(c * centre for c, centre in zip(self.counts, centres, strict=True)) / total


def bars(histogram: Histogram, *, beyond: bool = False) -> Bars:
    """The bins; what lies beyond the last bound only where there is something, or where `beyond` says so."""
    bounds, counts = histogram.bounds, histogram.counts
    if not counts:
        return Bars([], [])
    first = bounds[1] - bounds[0] if len(bounds) > 1 else 1.0
    edges = [round(bounds[0] - first, 10), *bounds]
    if not counts[-1] and not beyond:
        return Bars(edges, counts[:-1])
    last = bounds[-1] - bounds[-2] if len(bounds) > 1 else 1.0
    return Bars([*edges, round(bounds[-1] + last, 10)], counts)


def drawn(histograms: Mapping[str, Histogram]) -> dict[str, Bars]:
    """Those that counted something; equal bounds give equal bins."""
    full = {name: one for name, one in histograms.items() if one.total}
    beyond = any(one.counts[-1] for one in full.values())
    return {name: bars(one, beyond=beyond) for name, one in full.items()}


def score_lines(histograms: Mapping[str, Histogram]) -> list[str]:
    """The distributions under one another, in signs that need no picture; empty where nothing was counted.

    Where not all have the same bins, each says its own.
    """
    shown = drawn(histograms)
    if not shown:
        return []
    width = max(len(name) for name in shown)
    ranges = {name: (f"{one.edges[0]:.4g}", f"{one.edges[-1]:.4g}") for name, one in shown.items()}
    alike = len({tuple(one.edges) for one in shown.values()}) == 1
    low, high = next(iter(ranges.values()))
    bins = len(next(iter(shown.values())).counts)
    head = f"{'scores':{width}}  {low}{high:>{max(bins - len(low), 1)}}" if alike else "scores"
    lines = []
    for name, one in shown.items():
        own = "" if alike else f"  from {ranges[name][0]} to {ranges[name][1]}"
        lines.append(f"{name:{width}}  {sparkline(one.counts)}  mean {figure(one.mean)}{own}")
    return [head, *lines]
