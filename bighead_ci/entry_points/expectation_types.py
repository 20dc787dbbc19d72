"""Writes the table of expectation types that `bighead check` reads: `make lock` runs it after the library changed."""

from __future__ import annotations

from bighead_ci.definitions.expectation_types import TABLE, written_table
from bighead_ci.documents.base import write_atomically
from bighead_ci.quality.expectation_types import library_types


def main() -> None:
    """Write it."""
    write_atomically(TABLE, written_table(library_types()))


if __name__ == "__main__":
    main()
