"""What is expected of data: one expectation of an `expectations.yaml`, read once and the same for everyone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bighead_ci.documents.base import Document

COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
"""Arguments that name one column."""
COLUMN_LISTS = ("column_list", "column_set")
"""Arguments that name several."""
Argument = tuple[str | int, ...]
"""Where a value stands among the arguments: `("column",)`, `("column_list", 1)`."""


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
    def columns(self) -> dict[Argument, str]:
        """Every column that it names, by where."""
        return dict(_columns(self.arguments))

    def without_prefix(self, set_name: str) -> Expectation:
        """The same with the columns of a feature set (`delays.delay_mean_7d`) by the set's own names."""

        def bare(value: Any) -> Any:
            if isinstance(value, list):
                return [bare(one) for one in value]
            return value.removeprefix(f"{set_name}.") if isinstance(value, str) else value

        own = {name: bare(self.arguments[name]) for name in _NAMING if name in self.arguments}
        return self.model_copy(update={"arguments": {**self.arguments, **own}})


_NAMING = (*COLUMN_ARGUMENTS, *COLUMN_LISTS)


def _columns(arguments: Mapping[str, Any]) -> Iterator[tuple[Argument, str]]:
    for name in COLUMN_ARGUMENTS:
        if isinstance(column := arguments.get(name), str):
            yield (name,), column
    for name in COLUMN_LISTS:
        listed = arguments.get(name)
        for index, column in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(column, str):
                yield (name, index), column
