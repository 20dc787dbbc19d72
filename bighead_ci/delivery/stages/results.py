"""The small documents that stages leave for each other."""

from __future__ import annotations

from bighead_ci.documents.base import Digest, Document
from bighead_ci.documents.record import ColumnProfile, Conversion


class MeasuredConversion(Document):
    """`conversion.json`: what the estimator became, and what no two runs have alike."""

    conversion: Conversion
    milliseconds: float
    """Median time of one row, where it was trained."""


class Profile(Document):
    """`profile.json`."""

    columns: list[ColumnProfile]


class DataRead(Document):
    """`data.json`: the data that the training set was made of."""

    digests: dict[str, str]
    """Path → MD5 of the file's content, as DVC counts it."""


class Package(Document):
    """`package.json`: the digests of a run's results."""

    artifact: Digest
    artifact_bytes: int
    training_set: Digest
