"""Since when weights are seen in force: the cluster does not say. `<directory>/<model>.json`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from bighead_ci.documents.base import Document, Moment


class Seen(Document):
    """Weights of a model, and since when they were seen in force."""

    weights: dict[str, int]
    since: Moment
    before: Moment | None
    """Since when those before were."""


class SeenWeights:
    """What was seen of every model of one environment, for any process that looks later."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, model: str, weights: dict[str, int]) -> Seen | None:
        """Since when these weights are in force; None: they were not seen yet."""
        seen = self._read(model)
        return seen if seen is not None and seen.weights == weights else None

    def note(self, model: str, weights: dict[str, int], at: datetime) -> None:
        """These are in force, first seen at a moment; nothing changes if they were seen before."""
        if self.of(model, weights) is None:
            last = self._read(model)
            seen = Seen(weights=weights, since=at, before=last.since if last else None)
            seen.write(self._file(model))

    def forget(self, model: str) -> None:
        """The model has no traffic any more."""
        self._file(model).unlink(missing_ok=True)

    def _read(self, model: str) -> Seen | None:
        try:
            return Seen.read(self._file(model))
        except FileNotFoundError:
            return None

    def _file(self, model: str) -> Path:
        return self._directory / f"{model}.json"
