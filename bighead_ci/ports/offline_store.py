"""Where training sets are computed from sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from bighead_ci.documents.base import Moment
from bighead_ci.documents.definition import SourceDefinition, VersionedFeatureSet
from bighead_ci.documents.record import TrainingSetSummary
from bighead_ci.documents.stage import TrainingSetSpec
from bighead_ci.ports.online_store import OnlineStore

Sources = Mapping[str, tuple[SourceDefinition, Path]]
"""Source name → its definition and its Parquet file."""


class OfflineStore(Protocol):
    """Point-in-time features over whole histories.

    Raises:
        InputError: from every call: a source's file or column is missing or of the wrong type (all problems at once),
            event ids repeat, an exact sum does not fit, or something does not fit into memory.
        RetryError: from every call: the disk is full, or the engine got less memory than it was promised.
    """

    def training_set(self, spec: TrainingSetSpec, files: Mapping[str, Path], destination: Path) -> TrainingSetSummary:
        """Write a model version's training set as Parquet (beside, then renamed) and say what it holds.

        Args:
            spec: Rows, inputs, features and label.
            files: Source → its Parquet file.
            destination: Where it goes.

        Columns: `__event_id`, `__timestamp` (if the spine has one), `__part` (`train` or `evaluate`), `__label`, slice
        columns that are not inputs, request inputs by field name, `<set>.<feature>`. Rows by (timestamp, event id). The
        same input gives the same bytes.
        """

    def features_at(
        self,
        feature_set: VersionedFeatureSet,
        sources: Sources,
        keys: Mapping[str, Sequence[Any]],
        timestamps: Sequence[int],
        known_before: int | None = None,
    ) -> dict[str, list[Any]]:
        """Feature values by full name for rows of keys (one list a key column) and query times (UTC microseconds).

        `known_before` leaves out events known at that time or later.
        """

    def materialize(
        self, sets: Sequence[VersionedFeatureSet], sources: Sources, until: Moment, online: OnlineStore
    ) -> int:
        """Write the state of every key, of events known before `until`, to an online store; return the keys written.

        Each set appears at once or not at all; running it again with the same input writes nothing.
        """

    def newest(self, source: SourceDefinition, file: Path, before: Moment) -> Moment | None:
        """Time of the newest row that was known before a moment; None if there is none, or rows have no time."""
