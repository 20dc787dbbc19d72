"""What stages leave for each other: the names of their files, and their small documents."""

from __future__ import annotations

from collections.abc import Callable

from bighead_ci.documents.base import Digest, Document
from bighead_ci.documents.record import ColumnProfile

TRAINING_SET = "training_set.parquet"
ARTIFACT = "artifact"
CONVERSION = "conversion.json"

Progress = Callable[[str], None]
"""Gets a line of progress for people."""


class Conversion(Document):
    """`conversion.json`: how well the artifact reproduces the training framework, on the evaluation and golden rows."""

    rows: int
    largest: float
    beyond_tolerance: int


class Profile(Document):
    """`profile.json`."""

    columns: list[ColumnProfile]


class Package(Document):
    """`package.json`: the digests of a run's results."""

    artifact: Digest
    artifact_bytes: int
    image: Digest
    training_set: Digest
