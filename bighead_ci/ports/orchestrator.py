"""Runs the stage list of a model version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bighead_ci.documents.record import Timings


class Orchestrator(Protocol):
    """Runs stages that are not up to date, in order, content-addressed and resumable."""

    def run(self, checkout: Path, model_directory: str, progress: Callable[[str], None]) -> Timings:
        """Bring the version's stages up to date in the checkout; `progress` gets a line as each starts or is reused.

        Raises:
            InputError: a stage failed on what the user wrote; carries the stage's own message.
            RetryError: the disk is full, a lock is held.
        """

    def import_sources(self, checkout: Path, progress: Callable[[str], None]) -> None:
        """Put the sources' Parquet files in place (from the cache, else by their import stage)."""
