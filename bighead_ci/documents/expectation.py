"""What is expected of data: one expectation of an `expectations.yaml`, read once and the same for everyone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bighead_ci.documents.base import Document

COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
"""Arguments that name one column."""


class Expectation(Document):
    """An expectation type of Great Expectations and its arguments.

    In the file an argument stands beside `type` or below `kwargs`; here there is one place for it.
    """

    place: str
    """Where it stands in its file: `expectations.3`."""
    type: str
    """`expect_column_values_to_be_between`"""
    arguments: dict[str, Any]

    @property
    def columns(self) -> dict[str, str]:
        """Argument → column that it names."""
        return dict(_columns(self.arguments))

    def without_prefix(self, set_name: str) -> Expectation:
        """The same with the columns of a feature set (`delays.delay_mean_7d`) by the set's own names."""
        own = {argument: column.removeprefix(f"{set_name}.") for argument, column in self.columns.items()}
        return self.model_copy(update={"arguments": {**self.arguments, **own}})


def _columns(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for argument in COLUMN_ARGUMENTS:
        if isinstance(column := arguments.get(argument), str):
            yield argument, column
