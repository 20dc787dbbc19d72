"""What serving tests share: a variant's configuration, a scorer, and a look at counters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
from bighead_ci.documents.definition import FeatureSchema, RequestField
from bighead_ci.documents.live import VariantConfig
from bighead_ci.documents.target import Target
from bighead_ci.serving.metrics import ServingMetrics

FeatureValues = dict[str, int | float | str | None]
DIGEST = f"sha256:{'a' * 64}"
SET = "carrier_delays/v1"
BINARY = Target(task="binary", outputs=["0", "1"])
FEATURES = ["dep_delay_count_7d", "dep_delay_mean_7d"]


def a_config(directory: Path, **changes: Any) -> VariantConfig:
    """A variant that logs nothing."""
    fields: dict[str, Any] = {
        "environment": "prod",
        "variant": "tiny-v1-aaaaaaaa",
        "model": "tiny",
        "version": "v1",
        "image": f"local/tiny@{DIGEST}",
        "artifact": DIGEST,
        "artifact_path": directory / "artifact",
        "online_store": directory / "store",
        "predictions": None,
        "directory": directory,
    }
    return VariantConfig.model_validate(fields | changes)


def counter(metrics: ServingMetrics, name: str, **labels: str) -> float:
    """The sum of a counter's series that carry the labels."""
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


class FakeScorer:
    """Scores by a table; remembers what it was given."""

    def __init__(self, scores: list[float], classes: list[str] | None = None) -> None:
        names = classes or ["0", "1"]
        self.scores = scores
        self.seen: list[dict[str, Any]] = []
        self.together: list[int] = []
        """Rows of each call for many."""
        self.manifest = ArtifactManifest(
            model="tiny",
            version="v1",
            target=Target(task="binary" if classes is None else "multiclass", outputs=names),
            inputs=[
                ArtifactInput(name="distance", type="float64"),
                *(ArtifactInput(name=f"carrier_delays.{name}", type="float64") for name in FEATURES),
            ],
            request={
                "carrier": RequestField(type="string", use="lookup", required=False),
                "distance": RequestField(type="float64", required=False),
            },
            features=[FeatureSchema(set=SET, digest=DIGEST, columns=FEATURES)],
            feature_keys={SET: {"airline": "carrier"}},
        )

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        """The table's scores, for every row."""
        rows = len(columns["distance"])
        self.together.append(rows)
        for row in range(rows):
            numbers = {name: values[row].item() for name, values in columns.items()}
            self.seen.append({name: None if math.isnan(number) else number for name, number in numbers.items()})
        return np.array([self.scores] * rows, dtype=np.float64)

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        """The table's scores."""
        self.seen.append(dict(inputs))
        return self.scores


class FakeRows:
    """Rows that are looked up when they are read."""

    def __init__(self, rows: Sequence[Callable[[], FeatureValues]], known_until: Callable[[], dict[str, int]]) -> None:
        self.parts: list[int] = []
        """Rows of each reading."""
        self._left = [*rows]
        self._read: list[FeatureValues] = []
        self._known_until = known_until

    @property
    def known_until(self) -> dict[str, int]:
        """Of the last row."""
        return self._known_until()

    def read(self, most: int) -> bool:
        """Look up to `most` more rows up."""
        part, self._left = self._left[:most], self._left[most:]
        self.parts.append(len(part))
        self._read += [look_up() for look_up in part]
        return bool(self._left)

    def __next__(self) -> FeatureValues:
        return self._read.pop(0)


class FakeFeatures:
    """Features of one airline."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[dict[str, dict[str, Any]], int]] = []
        self.error = error
        self.reads = 0

    def fetch(self, keys: Mapping[str, Mapping[str, Any]], as_of_us: int) -> FeatureValues:
        """UA is known; others have a count of 0 and a null mean."""
        self.reads += 1
        return self._of(keys, as_of_us)

    def fetch_many(self, keys: Sequence[Mapping[str, Mapping[str, Any]]], as_of_us: int) -> FakeRows:
        """The same for each."""
        self.reads += 1
        return FakeRows([partial(self._of, one, as_of_us) for one in keys], self.known_until)

    def _of(self, keys: Mapping[str, Mapping[str, Any]], as_of_us: int) -> FeatureValues:
        self.asked.append(({set_id: dict(values) for set_id, values in keys.items()}, as_of_us))
        if self.error is not None:
            raise self.error
        known = keys[SET]["airline"] == "UA"
        values: tuple[int, float | None] = (12, 4.5) if known else (0, None)
        return dict(zip((f"carrier_delays.{name}" for name in FEATURES), values, strict=True))

    def known_until(self) -> dict[str, int]:
        """The hour before."""
        return {SET: self.asked[-1][1] - 3_600_000_000}
