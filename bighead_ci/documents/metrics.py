"""What a metric means, and which way it is good. Tasks define them (`tasks`).

Gates read the direction as evidence (`candidate.metrics.*.higher_is_better`, and `gain`, counted so that more is
better). Reports tell by it what is better and what is worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class MetricDefinition:
    """What one metric means, whatever it was measured on."""

    name: str
    title: str
    """As people write it: `AUC`."""
    higher_is_better: bool
    least: float
    most: float
    """Values lie between the two, both included; infinite where there is no bound."""
    description: str

    def scale(self, value: float) -> float:
        """What differences are a share of where the metric has a unit: the value itself; 1 where it has bounds."""
        return 1.0 if math.isfinite(self.most) else abs(value)

    def gain(self, difference: float) -> float:
        """A difference counted so that more is better."""
        return difference if self.higher_is_better else -difference

    def gains(self, low: float, high: float) -> tuple[float, float]:
        """An interval of differences counted so that more is better, its low end first."""
        return (low, high) if self.higher_is_better else (-high, -low)
