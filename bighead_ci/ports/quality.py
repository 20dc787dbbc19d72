"""Checks on data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from bighead_ci.documents.record import DriftResult, ExpectationResult


class ExpectationRunner(Protocol):
    """Runs a suite of expectations."""

    def run(self, suite: str, expectations: list[dict[str, Any]], data: pd.DataFrame) -> list[ExpectationResult]:
        """Check each; an expectation that names a missing column or raises is a failure that says so."""


class DriftDetector(Protocol):
    """Compares two samples column by column."""

    def compare(
        self, reference: pd.DataFrame, current: pd.DataFrame, names: tuple[str, str], html: Path | None = None
    ) -> DriftResult:
        """Compare the columns both have; `names` says what the two are. Writes the tool's own page to `html`."""
