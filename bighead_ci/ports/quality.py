"""Checks on data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from bighead_ci.documents.expectation import Expectation
from bighead_ci.documents.record import DriftResult, ExpectationResult


class ExpectationRunner(Protocol):
    """Runs a suite of expectations."""

    def run(self, suite: str, expectations: Sequence[Expectation], data: pa.Table) -> list[ExpectationResult]:
        """Check each, in order; one that names a missing column or raises on the data is a failure that says so.

        Raises:
            InputError: an unknown type or arguments that the type does not take; all of them at once.
        """


class DriftDetector(Protocol):
    """Compares two samples column by column."""

    def compare(
        self, reference: pa.Table, current: pa.Table, names: tuple[str, str], html: Path | None = None
    ) -> DriftResult:
        """Compare the columns both have; `names` says what the two are. Writes the tool's own page to `html`."""
