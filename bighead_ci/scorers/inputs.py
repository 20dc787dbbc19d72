"""Values of inputs as scorers take them: numbers keep the type they were sent or trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError

EXACT = 2**53
"""Up to which every whole number is a float64."""
_NAN = float("nan")

Reader = Callable[[Any], Any]


def typed_columns(
    inputs: Sequence[ArtifactInput], columns: Mapping[str, npt.NDArray[Any]], model: str
) -> list[npt.NDArray[Any]]:
    """Every input of many rows, in order, as `typed` gives it.

    Raises:
        InputError: an input is missing, or its values are not of its type and size (all problems at once).
    """
    problems, found = [], []
    for item in inputs:
        if item.name not in columns:
            problems.append(f"input {item.name} is missing")
            continue
        try:
            found.append(typed(item, columns[item.name]))
        except (ValueError, TypeError) as error:
            problems.append(f"input {item.name}: {error}")
    if problems:
        raise InputError(f"{model}: " + "; ".join(problems))
    return found


def typed(item: ArtifactInput, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One input of many rows: `(rows,)` or `(rows, size)`.

    Text is an object array with "" for missing. Numbers are int64, float64 or bool as they come; where one is missing
    they are float64 with NaN.

    Raises:
        ValueError: the values have another size, are no numbers, or are whole numbers that float64 cannot hold beside
            missing ones.
        TypeError: a value is of another type.
    """
    found = _texts(values) if item.type == "string" else _numbers(item, np.asarray(values))
    shape = () if item.size is None else (item.size,)
    if found.shape[1:] != shape:
        raise ValueError(f"rows have shape {found.shape[1:]}, not {shape}")
    return found


def reader(item: ArtifactInput) -> Reader:
    """How one value of the input is read: what is missing becomes NaN or "", all else stays as it is.

    The reader raises ValueError or TypeError for a value of another type or size.
    """
    single = _text if item.type == "string" else _number
    if item.size is None:
        return single
    size, missing = item.size, [single(None)] * item.size

    def read(value: Sequence[Any] | None) -> list[Any]:
        found = missing if value is None else [single(one) for one in value]
        if len(found) != size:
            raise ValueError
        return found

    return read


def described(item: ArtifactInput) -> str:
    """What a value of the input must be, in words."""
    kind, kinds = ("text", "texts") if item.type == "string" else ("a number", "numbers")
    return kind if item.size is None else f"a list of {item.size} {kinds}"


def _texts(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    texts = np.array(values, dtype=object)
    if texts.ndim == 1 and any(isinstance(one, list | np.ndarray) for one in texts):
        texts = np.array([list(one) for one in texts], dtype=object)
    texts[texts == None] = ""  # noqa: E711 - elementwise over an object array
    return texts


def _numbers(item: ArtifactInput, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if item.size is not None:
        rows = [_list(value, item.size) for value in values] if values.dtype == object else values
        return np.ascontiguousarray(rows, dtype=np.float64).reshape(len(values), -1)
    if values.dtype == object:
        return _of_objects(values.tolist())
    if values.dtype == np.bool_ or values.dtype.kind == "i":
        return values if values.dtype == np.bool_ else values.astype(np.int64)
    return values.astype(np.float64)


def _of_objects(values: list[Any]) -> npt.NDArray[Any]:
    if any(isinstance(value, str) for value in values):
        raise TypeError(f"{next(value for value in values if isinstance(value, str))!r} is no number")
    kinds = {type(value) for value in values}
    if kinds <= {bool, np.bool_} and kinds:
        return np.array(values, dtype=np.bool_)
    if kinds and all(issubclass(kind, int | np.integer) for kind in kinds):
        return np.array(values, dtype=np.int64)
    inexact = [value for value in values if type(value) is int and abs(value) > EXACT and int(float(value)) != value]
    if inexact:
        raise ValueError(f"{inexact[0]} beside missing values: those make it float64, which cannot hold it")
    return np.array([_NAN if value is None else float(value) for value in values], dtype=np.float64)


def _list(value: Any, size: int) -> list[float]:
    if value is None:
        return [_NAN] * size
    return [_NAN if number is None else float(number) for number in value]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> Any:
    if value is None:
        return _NAN
    if isinstance(value, str | list | dict):
        raise TypeError
    return value
