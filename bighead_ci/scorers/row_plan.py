"""From a row's inputs to the vector of numbers that a model computes with, without the library that it was trained in.

A plan fills slots of one vector: first every number that is an input, then what steps make of slots or of texts. Row
and matrix go through the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.documents.base import Document
from bighead_ci.errors import InputError
from bighead_ci.scorers.inputs import described, reader

Floats = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]
Key = str | bool | int | float


class Lookup(Document):
    """An encoder of one column: a value stands for a row of a table; what it does not know, and NaN, for their own."""

    kind: Literal["lookup"] = "lookup"
    input: int | None
    """Place among the inputs; None: the value of `slot`."""
    slot: int | None
    keys: list[Key]
    table: str
    """Array of `len(keys) + 2` rows: those of the keys, of an unknown value, and of a missing one."""
    width: int
    sparse: bool
    """A row of the table is (place, value) of the only number that is not 0, place -1 for none."""
    unknown: bool
    """Whether the encoder takes values that it does not know."""
    missing: bool
    to: int


class Fill(Document):
    """Takes NaN of some slots for other values."""

    kind: Literal["fill"] = "fill"
    slots: str
    values: str
    to: int


class Flag(Document):
    """1 where a slot is NaN, else 0."""

    kind: Literal["flag"] = "flag"
    slots: str
    to: int


class Scale(Document):
    """`(x - shift) / divisor`, or `x * factor + offset` as two arrays of the same names."""

    kind: Literal["scale"] = "scale"
    slots: str
    by: str
    """Array (2, slots): shift and divisor, or factor and offset."""
    divides: bool
    to: int


Step = Annotated[Lookup | Fill | Flag | Scale, Field(discriminator="kind")]


class Plan(Document):
    """The steps, and in which order the model takes the slots."""

    numbers: list[int]
    """Places of the inputs that are numbers, whose values are the first slots."""
    steps: list[Step]
    slots: int
    order: str
    """Array of slots."""


class RowPlan:
    """A plan with its arrays."""

    def __init__(self, plan: Plan, arrays: Arrays, inputs: Sequence[ArtifactInput]) -> None:
        self._slots = plan.slots
        self._order = arrays[plan.order]
        self._numbers = [(inputs[place], reader(inputs[place])) for place in plan.numbers]
        self._count = sum(inputs[place].size or 1 for place in plan.numbers)
        self._flat = all(inputs[place].size is None for place in plan.numbers)
        self._steps = [_runner(step, arrays, inputs) for step in plan.steps]
        self._places = list(plan.numbers)
        self._readers = [(item, reader(item)) for item in inputs]
        self.owners = _owners(plan, arrays, inputs)
        """Number of the vector → place of the input that it was made of."""

    def row(self, inputs: Mapping[str, Any]) -> Floats:
        """The model's vector of one row.

        Raises:
            InputError: a value is not of its input's type and size, or none that an encoder knows.
        """
        read = []
        for item, reads in self._readers:
            value = inputs.get(item.name)
            try:
                read.append(reads(value))
            except (ValueError, TypeError) as error:
                raise InputError(f"input {item.name}: {value!r} is not {described(item)}") from error
        vector = np.zeros(self._slots)
        try:
            numbers = [read[place] for place in self._places]
            vector[: self._count] = numbers if self._flat else [one for part in numbers for one in _listed(part)]
        except OverflowError as error:
            raise InputError(f"a whole number is beyond float64: {error}") from error
        for step in self._steps:
            step.row(vector, read)
        found: Floats = vector[self._order]
        return found

    def rows(self, columns: Sequence[npt.NDArray[Any]]) -> Floats:
        """The model's matrix of many rows, of all inputs as `typed_columns` gives them."""
        matrix = np.zeros((len(columns[0]), self._slots))
        if self._places:
            blocks = [columns[place].reshape(len(matrix), -1).astype(np.float64) for place in self._places]
            matrix[:, : self._count] = np.concatenate(blocks, axis=1)
        for step in self._steps:
            step.rows(matrix, columns)
        found: Floats = matrix[:, self._order]
        return found


def _owners(plan: Plan, arrays: Arrays, inputs: Sequence[ArtifactInput]) -> npt.NDArray[np.int64]:
    """Each step makes numbers of one input out of numbers of that input."""
    owners = np.zeros(plan.slots, dtype=np.int64)
    numbers = np.repeat(plan.numbers, [inputs[place].size or 1 for place in plan.numbers])
    owners[: len(numbers)] = numbers
    for step in plan.steps:
        if isinstance(step, Lookup):
            owners[step.to : step.to + step.width] = owners[step.slot] if step.input is None else step.input
        else:
            slots = arrays[step.slots]
            owners[step.to : step.to + len(slots)] = owners[slots]
    found: npt.NDArray[np.int64] = owners[arrays[plan.order]]
    return found


def _listed(part: Any) -> Sequence[Any]:
    return part if isinstance(part, list) else (part,)


class _Elementwise:
    """A step from slots to slots."""

    def __init__(self, slots: npt.NDArray[Any], to: int, change: Callable[[Floats], Floats]) -> None:
        self._slots = slots
        self._to = slice(to, to + len(slots))
        self._change = change

    def row(self, vector: Floats, _read: Sequence[Any]) -> None:
        vector[self._to] = self._change(vector[self._slots])

    def rows(self, matrix: Floats, _columns: Sequence[npt.NDArray[Any]]) -> None:
        matrix[:, self._to] = self._change(matrix[:, self._slots])


class _Encoder:
    """A step from values to slots."""

    def __init__(self, step: Lookup, table: npt.NDArray[Any], name: str) -> None:
        self._step = step
        self._table = table
        self._name = name
        self._places = {key: place for place, key in enumerate(step.keys)}
        self._sparse_rows = [(int(place), float(value)) for place, value in table] if step.sparse else []

    def row(self, vector: Floats, read: Sequence[Any]) -> None:
        step = self._step
        value = read[step.input] if step.input is not None else float(vector[step.slot])
        place = self._place(value)
        if step.sparse:
            at, number = self._sparse_rows[place]
            if at >= 0:
                vector[step.to + at] = number
        else:
            vector[step.to : step.to + step.width] = self._table[place]

    def rows(self, matrix: Floats, columns: Sequence[npt.NDArray[Any]]) -> None:
        step = self._step
        values = columns[step.input] if step.input is not None else matrix[:, step.slot]
        places = np.array([self._place(value) for value in values.tolist()], dtype=np.int64)
        if not step.sparse:
            matrix[:, step.to : step.to + step.width] = self._table[places]
            return
        at = self._table[places, 0].astype(np.int64)
        some = np.flatnonzero(at >= 0)
        matrix[some, step.to + at[some]] = self._table[places[some], 1]

    def _place(self, value: Any) -> int:
        found = self._places.get(value)
        if found is not None:
            return found
        missing = isinstance(value, float) and value != value  # noqa: PLR0124 - NaN; a call costs more
        if not (self._step.missing if missing else self._step.unknown):
            raise InputError(f"{self._name}: the model does not take {value!r}")
        return len(self._places) + missing


def _runner(step: Step, arrays: Arrays, inputs: Sequence[ArtifactInput]) -> _Encoder | _Elementwise:
    if isinstance(step, Lookup):
        name = "a column" if step.input is None else f"input {inputs[step.input].name}"
        return _Encoder(step, arrays[step.table], name)
    slots = arrays[step.slots]
    if isinstance(step, Flag):
        return _Elementwise(slots, step.to, lambda values: np.isnan(values).astype(np.float64))
    if isinstance(step, Fill):
        fill = arrays[step.values]
        return _Elementwise(slots, step.to, lambda values: np.where(np.isnan(values), fill, values))
    first, second = arrays[step.by]
    if step.divides:
        return _Elementwise(slots, step.to, lambda values: (values - first) / second)
    return _Elementwise(slots, step.to, lambda values: values * first + second)
