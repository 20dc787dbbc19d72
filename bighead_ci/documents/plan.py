"""What a change means: which model versions must be rebuilt, which a feature change touches, what is not allowed."""

from __future__ import annotations

from typing import Literal

from bighead_ci.documents.base import CommitId, Digest, Document, Name, Percent, Version

Change = Literal["added", "modified", "removed"]
Move = Literal["promote", "advance", "retire", "rollback", "settings", "remove"]
"""What an edit of a release can be; nothing else passes checks."""


class ChangedFile(Document):
    """One path that differs between base and head."""

    path: str
    change: Change


class PlannedModel(Document):
    """A model version that the change concerns."""

    model: Name
    version: Version
    content_key: Digest
    because: list[str]
    """Reasons for people: `model files changed`, `features/carrier_delays/v1 changed`."""

    @property
    def id(self) -> str:
        """`flight_delay/v2`."""
        return f"{self.model}/{self.version}"


class FeatureImpact(Document):
    """Blast radius of one feature set or source that changed."""

    changed: str
    """`features/carrier_delays/v1` or `features/sources/flights`."""
    columns: list[str]
    """Feature columns concerned."""
    models: list[str]
    """Model versions that use them."""


class ReleaseChange(Document):
    """A release file that differs, and what kind of move it is."""

    environment: Name
    model: Name
    move: Move
    description: str
    """`v1 → v2 (canary 10 %)`."""
    weight_before: Percent
    weight_after: Percent
    """Traffic of the variant that the move brings in, gives more or takes away."""


class Plan(Document):
    """All of it."""

    base: CommitId
    head: CommitId
    files: list[ChangedFile]
    models: list[PlannedModel]
    impacts: list[FeatureImpact]
    releases: list[ReleaseChange]
    policies: list[str]
    """Gates that the change touches; they take effect only after the merge."""
    removed_models: list[str]

    @property
    def kind(self) -> Literal["model", "release", "other"]:
        """What a reviewer decides about."""
        if self.releases:
            return "release"
        return "model" if self.models or self.removed_models else "other"
