"""Metrics with 95 % bootstrap intervals, of one model's scores and of two models on the same rows."""

from __future__ import annotations

import numpy as np

from bighead_ci.documents.record import Metric, MetricDifference
from bighead_ci.tasks.registry import task_named
from bighead_ci.tasks.scored import Resamples, Scored, interval


def measure(scored: Scored, resamples: Resamples, within: Scored | None = None) -> dict[str, Metric]:
    """Each metric that these rows define, with its interval.

    Args:
        scored: The rows.
        resamples: Bootstrap samples of them.
        within: The rows that they are a part of; None: they are all.
    """
    task, whole = task_named(scored.target.task), within or scored
    points, samples = task.points(scored, whole), task.samples(scored, resamples, whole)
    measured = {}
    for definition in task.metrics:
        name = definition.name
        if np.isfinite(points.get(name, np.nan)):
            low, high = interval(samples[name])
            measured[name] = Metric(value=points[name], low=low, high=high)
    return measured


def paired_differences(
    mine: Scored, other: Scored, against: str, model_version: str, samples: int = 200, seed: int = 0
) -> list[MetricDifference]:
    """Ours minus theirs by metric, on the same rows in the same order, as `pairing.match_rows` gives them.

    Args:
        mine: Rows as this run scored them.
        other: The same as another did.
        against: Environment that serves the other.
        model_version: The other's version.
        samples: How many bootstrap samples.
        seed: Of the bootstrap.
    """
    task = task_named(mine.target.task)
    resamples = task.resamples(mine, samples, seed)
    our_points, their_points = (task.points(one, one) for one in (mine, other))
    our_samples, their_samples = (task.samples(one, resamples, one) for one in (mine, other))
    found = []
    for definition in task.metrics:
        name = definition.name
        ours, theirs = our_points.get(name, np.nan), their_points.get(name, np.nan)
        if not np.isfinite(ours):
            continue
        low, high = interval(our_samples[name] - their_samples[name])
        found.append(
            MetricDifference(
                metric=name,
                against=against,
                model_version=model_version,
                ours=ours,
                theirs=theirs,
                difference=ours - theirs,
                low=low,
                high=high,
                rows=len(mine),
            )
        )
    return found
