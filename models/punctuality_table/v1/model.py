"""How often flights of an hour and an airline were late, by counting: no framework at all.

A rule that people can read, for whatever a table answers well enough, and the shape of every model of one's own:
`train` returns an object with the task's method and `save`; `load` makes it again of the files that `save` left.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "shares.json"


class PunctualityTable:
    """Shares of late flights by hour and airline, by hour, and of all."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        """Take the shares: `17 UA`, `17`, and `` for all."""
        self.shares = shares

    def share(self, hour: int, carrier: str) -> float:
        """Of the nearest group that was ever seen."""
        for key in (f"{hour} {carrier}", f"{hour}", ""):
            if key in self.shares:
                return self.shares[key]
        return 0.0

    def predict_proba(self, frame: Any) -> list[list[float]]:
        """Of each row: on time, late."""
        asked = zip(frame["hour"], frame["carrier"], strict=True)
        late = [self.share(hour, carrier) for hour, carrier in asked]
        return [[1.0 - share, share] for share in late]

    def save(self, directory: Path) -> None:
        """As JSON: data, nothing that runs."""
        (directory / FILE).write_text(json.dumps(self.shares, sort_keys=True), encoding="utf-8")


def train(data: Any, parameters: Mapping[str, Any]) -> PunctualityTable:
    """Count. A group's share is drawn towards that of the group around it, the more the fewer flights it has."""
    prior = parameters["prior_flights"]
    flights: Counter[str] = Counter()
    late: Counter[str] = Counter()
    for hour, carrier, label in zip(data.frame["hour"], data.frame["carrier"], data.label, strict=True):
        for key in (f"{hour} {carrier}", f"{hour}", ""):
            flights[key] += 1
            late[key] += int(label)
    shares = {"": late[""] / flights[""]}
    for key in sorted((key for key in flights if key), key=len):  # hours before what is inside them
        around = shares[key.partition(" ")[0]] if " " in key else shares[""]
        shares[key] = (late[key] + prior * around) / (flights[key] + prior)
    return PunctualityTable(shares)


def load(directory: Path) -> PunctualityTable:
    """What `save` left."""
    return PunctualityTable(json.loads((directory / FILE).read_text(encoding="utf-8")))
