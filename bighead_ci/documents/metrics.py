"""The metrics that evaluation measures: the one place that says which way each is good.

Evaluation computes them by these names. Gates read the direction as evidence (`candidate.metrics.*.higher_is_better`,
and `gain`, counted so that more is better). Reports tell by it what is better and what is worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

MetricName = Literal["auc", "accuracy", "log_loss", "brier"]


@dataclass(frozen=True)
class MetricDefinition:
    """What one metric means, whatever it was measured on."""

    name: MetricName
    title: str
    """As people write it: `AUC`."""
    higher_is_better: bool
    least: float
    most: float
    """Values lie between the two, both included; infinite where there is no bound."""
    description: str

    def gain(self, difference: float) -> float:
        """A difference counted so that more is better."""
        return difference if self.higher_is_better else -difference

    def gains(self, low: float, high: float) -> tuple[float, float]:
        """An interval of differences counted so that more is better, its low end first."""
        return (low, high) if self.higher_is_better else (-high, -low)


METRICS: dict[str, MetricDefinition] = {
    one.name: one
    for one in (
        MetricDefinition(
            "auc", "AUC", True, 0.0, 1.0,
            "area under the ROC curve; with more than two classes the mean of one class against the rest, over the "
            "classes that the evaluation rows hold",
        ),
        MetricDefinition(
            "log_loss", "log loss", False, 0.0, math.inf, "mean negative logarithm of the score of the true class"
        ),
        MetricDefinition(
            "brier", "Brier score", False, 0.0, 2.0,
            "mean squared error of the scores; with two classes, where it is at most 1, of the positive class",
        ),
        MetricDefinition(
            "accuracy", "accuracy", True, 0.0, 1.0, "share of rows on which the highest score is the true class's"
        ),
    )
}  # fmt: skip
"""Name → metric, in the order in which they are measured. A record of another engine may hold one that is not here."""


def title(metric: str) -> str:
    """A metric's name for people; one that this engine does not know keeps its name."""
    return METRICS[metric].title if metric in METRICS else metric
