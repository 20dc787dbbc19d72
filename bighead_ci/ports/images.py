"""Where images are built and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from bighead_ci.documents.artifact import ImageManifest


class ImageBuilder(Protocol):
    """One image per model version: same inputs, same digest."""

    def plan(self, model_directory: Path, model: str, version: str) -> str:
        """The digest that building would give, without building."""

    def build(self, model_directory: Path, model: str, version: str) -> ImageManifest:
        """Build unless it exists.

        Raises:
            InputError: the lock is missing or cannot be satisfied.
        """

    def find(self, digest: str) -> ImageManifest | None:
        """The image of that digest, verified whole; None if there is none or it is damaged."""
