"""Compiles what comes before a fitted model (scikit-learn's transformers, imputers, scalers, encoders) to a plan.

Columns are followed symbolically through the steps. What an encoder makes of a value is not derived but measured: its
own `transform` is asked for every category, an unknown value and a missing one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import check_array

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError
from bighead_ci.scorers.row_plan import Fill, Flag, Lookup, Plan, Scale, Step

MOST_CELLS = 5_000_000
"""Of an encoder's table."""


@dataclass(frozen=True)
class Text:
    """An input that is text, or a categorical, so far."""

    input: int
    name: str
    categories: tuple[str, ...] | None
    """Of a categorical: any other text is missing."""
    empty: str = ""
    """What an imputer takes the empty text for."""


@dataclass(frozen=True)
class Slot:
    """A number of the vector."""

    slot: int
    name: str
    input: int | None = None
    """The input that it still is, untouched."""


Column = Text | Slot


@dataclass
class PlanCompiler:
    """Collects steps and their arrays."""

    inputs: Sequence[ArtifactInput]
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    slots: int = 0

    def columns(self) -> list[Column]:
        """The frame's columns; numbers take the first slots."""
        found: list[Column] = []
        for place, item in enumerate(self.inputs):
            if item.type == "string":
                if item.size is not None:
                    raise InputError(f"input {item.name} is a list of texts")
                categories = None if item.categories is None else tuple(item.categories)
                found.append(Text(place, item.name, categories))
            else:
                if item.size is not None:
                    raise InputError(f"input {item.name} is a list")
                found.append(Slot(self._new(1), item.name, place))
        return found

    def plan(self, columns: Sequence[Column]) -> Plan:
        """The plan whose vector is these columns.

        Raises:
            InputError: one is text.
        """
        order = np.array([slot.slot for slot in _numbers(columns, "the model")], dtype=np.int64)
        numbers = [place for place, item in enumerate(self.inputs) if item.type != "string"]
        return Plan(numbers=numbers, steps=self.steps, slots=self.slots, order=self.keep("order", order))

    def apply(self, step: Any, columns: Sequence[Column]) -> list[Column]:
        """The columns after a fitted transformer.

        Raises:
            InputError: it has no compiled form.
        """
        if step is None or (isinstance(step, str) and step == "passthrough"):
            return list(columns)
        if isinstance(step, str) and step == "drop":
            return []
        for kind, compiled in _COMPILED:
            if isinstance(step, kind):
                return compiled(self, step, columns)
        raise InputError(f"{type(step).__name__} has no compiled form")

    def keep(self, name: str, array: npt.NDArray[Any]) -> str:
        """Put an array where serving finds it, under the name or one like it."""
        called = f"{name}_{len(self.arrays)}"
        self.arrays[called] = array
        return called

    def elementwise(self, columns: Sequence[Column], step: Callable[[str, int], Step], who: str) -> list[Column]:
        """A step of as many new slots as columns."""
        slots = _numbers(columns, who)
        start = self._new(len(slots))
        kept = self.keep("slots", np.array([slot.slot for slot in slots], dtype=np.int64))
        self.steps.append(step(kept, start))
        return [Slot(start + place, slot.name) for place, slot in enumerate(slots)]

    def lookup(self, column: Column, keys: Sequence[Any], rows: npt.NDArray[np.float64], *, ends: Ends) -> list[Column]:
        """An encoder's outputs for one column: a row a key, then of an unknown and of a missing value."""
        width = rows.shape[1]
        sparse = width > 1 and int((rows != 0).sum(axis=1).max()) <= 1
        if sparse:
            at = np.where((rows != 0).any(axis=1), (rows != 0).argmax(axis=1), -1)
            rows = np.column_stack([at, rows[np.arange(len(rows)), np.maximum(at, 0)]]).astype(np.float64)
        start = self._new(width)
        text = isinstance(column, Text)
        self.steps.append(
            Lookup(
                input=column.input,
                slot=None if text or column.input is not None else column.slot,
                keys=list(keys),
                table=self.keep("table", rows),
                width=width,
                sparse=sparse,
                unknown=ends.unknown,
                missing=ends.missing,
                to=start,
            )
        )
        return [Slot(start + place, column.name) for place in range(width)]

    def _new(self, count: int) -> int:
        self.slots += count
        return self.slots - count


@dataclass(frozen=True)
class Ends:
    """Whether an encoder takes values that it does not know, and missing ones."""

    unknown: bool
    missing: bool


def _numbers(columns: Sequence[Column], who: str) -> list[Slot]:
    texts = [column.name for column in columns if isinstance(column, Text)]
    if texts:
        raise InputError(f"{who} takes text as it is ({', '.join(texts)})")
    return [column for column in columns if isinstance(column, Slot)]


def _pipeline(plan: PlanCompiler, step: Pipeline, columns: Sequence[Column]) -> list[Column]:
    found = list(columns)
    for _, inner in step.steps:
        found = plan.apply(inner, found)
    return found


def _union(plan: PlanCompiler, step: FeatureUnion, columns: Sequence[Column]) -> list[Column]:
    if step.transformer_weights:
        raise InputError("FeatureUnion(transformer_weights=…) has no compiled form")
    return [one for _, inner in step.transformer_list for one in plan.apply(inner, columns)]


def _by_column(plan: PlanCompiler, step: ColumnTransformer, columns: Sequence[Column]) -> list[Column]:
    if step.transformer_weights:
        raise InputError("ColumnTransformer(transformer_weights=…) has no compiled form")
    found = []
    for name, inner, chosen in step.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        found += plan.apply(inner, [columns[place] for place in _chosen(name, chosen, columns)])
    return found


def _chosen(name: str, chosen: Any, columns: Sequence[Column]) -> list[int]:
    if isinstance(chosen, str):
        raise InputError(f"{name} takes one column as a series")
    places = {column.name: place for place, column in enumerate(columns)}
    if isinstance(chosen, slice):
        ends = [places[end] if isinstance(end, str) else end for end in (chosen.start, chosen.stop)]
        stop = ends[1] + 1 if isinstance(chosen.stop, str) else ends[1]
        return list(range(len(columns)))[ends[0] : stop : chosen.step]
    listed = list(chosen)
    if listed and all(isinstance(one, bool | np.bool_) for one in listed):
        return [place for place, one in enumerate(listed) if one]
    return [places[one] if isinstance(one, str) else int(one) for one in listed]


def _imputer(plan: PlanCompiler, step: SimpleImputer, columns: Sequence[Column]) -> list[Column]:
    texts = [column for column in columns if isinstance(column, Text)]
    if len(texts) == len(columns):
        return [_imputed_text(step, column, value) for column, value in zip(texts, step.statistics_, strict=True)]
    values = np.array(step.statistics_, dtype=np.float64)
    if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise InputError(f"SimpleImputer(missing_values={step.missing_values!r}) has no compiled form")
    if np.isnan(values).any():
        raise InputError("SimpleImputer of a column without a value has no compiled form")
    kept = plan.keep("fill", values)
    filled = plan.elementwise(columns, lambda slots, to: Fill(slots=slots, values=kept, to=to), "SimpleImputer")
    if step.add_indicator:
        flagged = [columns[place] for place in step.indicator_.features_]
        filled += plan.elementwise(flagged, lambda slots, to: Flag(slots=slots, to=to), "SimpleImputer")
    return filled


def _imputed_text(step: SimpleImputer, column: Text, value: Any) -> Column:
    if step.add_indicator or column.categories is not None:
        raise InputError("SimpleImputer of categories has no compiled form")
    return replace(column, empty=str(value)) if step.missing_values == "" else column


def _scaler(plan: PlanCompiler, step: Any, columns: Sequence[Column]) -> list[Column]:
    count, name = len(columns), type(step).__name__
    if isinstance(step, MinMaxScaler):
        if step.clip:
            raise InputError("MinMaxScaler(clip=True) has no compiled form")
        by, divides = np.stack([step.scale_, step.min_]), False
    else:
        shift = getattr(step, "mean_", getattr(step, "center_", None)) if not isinstance(step, MaxAbsScaler) else None
        used = getattr(step, "with_mean", getattr(step, "with_centering", True))
        scale = step.scale_ if getattr(step, "with_std", getattr(step, "with_scaling", True)) else None
        shift = np.zeros(count) if shift is None or not used else np.asarray(shift)
        by, divides = np.stack([shift, np.ones(count) if scale is None else np.asarray(scale)]), True
    kept = plan.keep("scale", by.astype(np.float64))
    return plan.elementwise(columns, lambda slots, to: Scale(slots=slots, by=kept, divides=divides, to=to), name)


def _selector(_plan: PlanCompiler, step: Any, columns: Sequence[Column]) -> list[Column]:
    return [column for column, kept in zip(columns, step.get_support(), strict=True) if kept]


def _function(_plan: PlanCompiler, step: FunctionTransformer, columns: Sequence[Column]) -> list[Column]:
    checks = getattr(step.func, "func", None) is check_array  # HistGradientBoosting's own
    if step.func is not None and not checks:
        raise InputError("FunctionTransformer(func=…) has no compiled form")
    return list(columns)


def _encoder(plan: PlanCompiler, step: Any, columns: Sequence[Column]) -> list[Column]:
    found, start = [], 0
    for place, column in enumerate(columns):
        width = _width(step, place)
        keys = [_key(one) for one in step.categories_[place] if not _is_missing(one)]
        if (len(keys) + 2) * width > MOST_CELLS:
            raise InputError(f"{type(step).__name__} of {len(keys):,} categories of {column.name} is too large a table")
        rows, ends = _measured(step, columns, place, keys, slice(start, start + width))
        if isinstance(column, Text):
            keys, rows, ends = _of_texts(column, keys, rows, ends)
        found += plan.lookup(column, keys, rows, ends=ends)
        start += width
    return found


def _of_texts(
    column: Text, keys: list[Any], rows: npt.NDArray[np.float64], ends: Ends
) -> tuple[list[Any], npt.NDArray[np.float64], Ends]:
    """The empty text is what the imputer before took it for; of a categorical, all but its categories are missing."""
    unknown, missing = rows[-2], rows[-1]
    if column.categories is not None:
        outside = [one for one in column.categories if one not in keys]
        body = np.concatenate([rows[:-2], np.repeat(unknown[None], len(outside), axis=0)])
        allowed = ends.missing and (ends.unknown or not outside)
        return [*keys, *outside], np.concatenate([body, [missing, missing]]), Ends(allowed, allowed)
    if column.empty and "" not in keys:
        row = rows[keys.index(column.empty)] if column.empty in keys else unknown
        return [*keys, ""], np.concatenate([rows[:-2], [row, unknown, missing]]), ends
    return keys, rows, ends


def _width(step: Any, place: int) -> int:
    if isinstance(step, OneHotEncoder):
        infrequent = getattr(step, "infrequent_categories_", None)
        rare = None if infrequent is None else infrequent[place]
        dropped = step.drop_idx_ is not None and step.drop_idx_[place] is not None
        return len(step.categories_[place]) - (0 if rare is None else len(rare) - 1) - dropped
    if isinstance(step, TargetEncoder) and step.target_type_ == "multiclass":
        return len(step.classes_)
    return 1


def _measured(
    step: Any, columns: Sequence[Column], place: int, keys: Sequence[Any], outputs: slice
) -> tuple[npt.NDArray[np.float64], Ends]:
    """What the encoder gives for each key of a column, an unknown value and a missing one."""
    first = [next((one for one in column if not _is_missing(one)), np.nan) for column in step.categories_]
    text = isinstance(columns[place], Text) or any(isinstance(key, str) for key in keys)
    new = _new_text(keys) if text else max([0, *keys]) + 1

    def asked(values: Sequence[Any]) -> npt.NDArray[np.float64]:
        frame = _frame(step, [values if at == place else [first[at]] * len(values) for at in range(len(columns))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = step.transform(frame)
        made = made.toarray() if hasattr(made, "toarray") else made
        return np.asarray(made, dtype=np.float64)[:, outputs]

    width = outputs.stop - outputs.start
    rows = [asked(keys)] if len(keys) else [np.empty((0, width))]
    ends = []
    for value in (new, np.nan):
        try:
            rows.append(asked([value]))
            ends.append(True)
        except (ValueError, TypeError):
            rows.append(np.full((1, width), np.nan))
            ends.append(False)
    return np.concatenate(rows), Ends(*ends)


def _frame(step: Any, columns: Sequence[Sequence[Any]]) -> Any:
    """Values as the encoder saw them when it was fitted: a frame if it knows names, else a matrix."""
    made = []
    for values, known in zip(columns, step.categories_, strict=True):
        array = np.array(values, dtype=object)
        made.append(array if any(isinstance(one, str) for one in known) else array.astype(np.float64))
    names = getattr(step, "feature_names_in_", None)
    if names is not None:
        return pd.DataFrame(dict(zip(names, made, strict=True)))
    kinds = {array.dtype.kind for array in made}
    return np.column_stack(made) if kinds == {"f"} else np.column_stack([array.astype(object) for array in made])


def _new_text(keys: Sequence[Any]) -> str:
    text = "new value"
    while text in keys:
        text += "_"
    return text


def _key(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


_COMPILED: Sequence[tuple[Any, Callable[[PlanCompiler, Any, Sequence[Column]], list[Column]]]] = (
    (Pipeline, _pipeline),
    (FeatureUnion, _union),
    (ColumnTransformer, _by_column),
    (SimpleImputer, _imputer),
    ((StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler), _scaler),
    ((OneHotEncoder, OrdinalEncoder, TargetEncoder), _encoder),
    (SelectorMixin, _selector),
    (FunctionTransformer, _function),
)
