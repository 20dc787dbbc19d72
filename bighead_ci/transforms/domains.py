"""What an estimator takes of each input, tried on it: what it refuses, its served form must refuse too.

An encoder that knows its training categories alone raises on any other, and what it is converted to may score that or
break. So each input is tried with a missing value, one that no row had, and numbers up to the largest of its type, an
infinite one among them; what serving cannot know otherwise is in the manifest.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput, InputDomain
from bighead_ci.errors import InputError
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.float_order import between, close
from bighead_ci.transforms.learned import categories_of

Floats = npt.NDArray[np.float64]
Scores = Callable[[Columns], Floats]
MOST_VALUES = 100_000
"""Of one input that are tried one by one and kept."""
_LARGEST = (float(np.finfo(np.float64).max), float(np.finfo(np.float32).max))
"""Where estimators that compute in float64 and in float32 end; tried first."""
_STARTS = (0.0, 1.0)
"""Tried where no row's number serves."""


@dataclass(frozen=True)
class _Trial:
    """An input, and a row that the estimator takes, in which only this input is changed."""

    item: ArtifactInput
    base: Columns
    estimator: Scores

    def rows(self, values: npt.NDArray[Any]) -> Columns:
        return {name: np.repeat(column, len(values), axis=0) for name, column in self.base.items()} | {
            self.item.name: values
        }

    def taken(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Those of the values that the estimator gives scores for, each tried alone where some are refused."""
        if not len(values) or self._takes(values):
            return values
        if len(values) == 1:
            return values[:0]
        half = len(values) // 2
        return np.concatenate([self.taken(values[:half]), self.taken(values[half:])])

    def raises(self, number: float) -> bool:
        """Whether the estimator refuses a number; one that it has no finite score for, it has not refused."""
        shape = (1,) if self.item.size is None else (1, self.item.size)
        kind = np.int64 if isinstance(number, int) else np.float64
        try:
            self.estimator(self.rows(np.full(shape, number, dtype=kind)))
        except Exception:  # noqa: BLE001 - the author's code raises what it wants
            return True
        return False

    def _takes(self, values: npt.NDArray[Any]) -> bool:
        try:
            return bool(np.isfinite(self.estimator(self.rows(values))).all())
        except Exception:  # noqa: BLE001 - the author's code raises what it wants
            return False


def find_domains(estimator: Any, scores: Scores, inputs: Sequence[ArtifactInput], seen: Columns) -> list[InputDomain]:
    """The domains of the inputs that the estimator does not take every value of.

    Args:
        estimator: Fitted; categories that its steps know are tried like those of the rows.
        scores: The estimator's.
        inputs: What it takes.
        seen: Every row there is; the first is one that the estimator takes.

    Raises:
        InputError: a domain has too many values.
    """
    base = {name: column[:1] for name, column in seen.items()}
    known = categories_of(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [_domain(_Trial(item, base, scores), _values(item, seen[item.name], known)) for item in inputs]
    return [domain for domain in found if domain is not None]


def narrowed(domains: Sequence[InputDomain], inputs: Sequence[ArtifactInput], largest: float) -> list[InputDomain]:
    """The domains with no float64 beyond a magnitude.

    Args:
        domains: Those of the estimator.
        inputs: What it takes.
        largest: The magnitude.
    """
    known = {domain.input: domain for domain in domains}
    for item in inputs:
        domain = known.get(item.name, InputDomain(input=item.name, null=True))
        if item.type == "float64" and domain.values is None:
            lowest = -largest if domain.lowest is None else max(domain.lowest, -largest)
            highest = largest if domain.highest is None else min(domain.highest, largest)
            known[item.name] = domain.model_copy(update={"lowest": lowest, "highest": highest})
    return list(known.values())


def within(domains: Sequence[InputDomain], columns: Columns) -> npt.NDArray[np.bool_]:
    """Which rows have in every input what the domains allow."""
    allowed = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    for domain in domains:
        column = columns[domain.input]
        absent = _is_missing(column)
        if not domain.null:
            allowed &= ~absent
        if domain.values is not None:
            known = set(domain.values)
            allowed &= np.array([value in known for value in column.tolist()], dtype=np.bool_) | absent
        if domain.lowest is not None:
            allowed &= ~_anywhere(column < domain.lowest)
        if domain.highest is not None:
            allowed &= ~_anywhere(column > domain.highest)
    return allowed


def scored_where_taken(scores: Scores, columns: Columns, outputs: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Scores of the rows that the estimator gives finite ones for, and which those are.

    A row that it raises on is found by halving, so that one does not take the others with it.
    """
    rows = len(next(iter(columns.values())))
    found = np.full((rows, outputs), np.nan)
    pending = [np.arange(rows)] if rows else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while pending:
            chosen = pending.pop()
            try:
                found[chosen] = scores({name: values[chosen] for name, values in columns.items()})
            except Exception:  # noqa: BLE001 - the author's code raises what it wants
                if len(chosen) > 1:
                    pending += [chosen[len(chosen) // 2 :], chosen[: len(chosen) // 2]]
    return found, np.isfinite(found).all(axis=1)


def _domain(trial: _Trial, values: npt.NDArray[Any]) -> InputDomain | None:
    """An input's domain if it has bounds."""
    name, new = trial.item.name, _new(trial.item, values)
    nullable = bool(len(trial.taken(_missing(trial.item))))
    if not len(new) or len(trial.taken(new)):
        lowest, highest = _bounds(trial, values)
        unbounded = nullable and lowest is None and highest is None
        return None if unbounded else InputDomain(input=name, null=nullable, lowest=lowest, highest=highest)
    if len(values) > MOST_VALUES:
        raise InputError(
            f"input {name}: the estimator refuses values that it has not seen and has seen {len(values):,}; "
            f'allowed: at most {MOST_VALUES:,}; let its encoder take unknown values (handle_unknown="ignore")'
        )
    return InputDomain(input=name, null=nullable, values=trial.taken(values).tolist())


def _bounds(trial: _Trial, values: npt.NDArray[Any]) -> tuple[float | None, float | None]:
    """The least and the greatest number that the estimator does not raise on; None where it takes all of that side."""
    if trial.item.type not in ("int64", "float64"):
        return None, None
    start = next((one for one in _starts(trial, values) if not trial.raises(one)), None)
    if start is None:
        return None, None
    far: tuple[float, float] = (-math.inf, math.inf)
    if isinstance(start, int):
        far = (-(2**63), 2**63 - 1)
    elif trial.item.type == "int64":
        far = (-(2.0**63), 2.0**63)
    lowest, highest = (_last_taken(trial, start, end) for end in far)
    return lowest, highest


def _starts(trial: _Trial, values: npt.NDArray[Any]) -> list[float]:
    base = trial.base[trial.item.name].ravel()
    finite = [one for one in (*base.tolist(), *values[len(values) // 2 :][:1].tolist()) if math.isfinite(one)]
    return [*finite[:1], *finite[-1:], *_STARTS]


def _last_taken(trial: _Trial, taken: float, refused: float) -> float | None:
    """The last number on the way to another that the estimator does not raise on; None if it takes that, too."""
    if not trial.raises(refused):
        return None
    for largest in _LARGEST if isinstance(taken, float) else ():
        end = math.copysign(largest, refused)
        if abs(end) < abs(refused) and not trial.raises(end):
            if largest == _LARGEST[0] or trial.raises(end * (1 + 2**-20)):
                return end
            taken = end
            break
        refused = end
    while not close(taken, refused):
        middle = between(taken, refused)
        taken, refused = (taken, middle) if trial.raises(middle) else (middle, refused)
    return taken


def _values(item: ArtifactInput, column: npt.NDArray[Any], known: Sequence[Any]) -> npt.NDArray[Any]:
    """Different values of a column that are not missing, and what the estimator's steps know besides."""
    if item.size is not None:
        return column[:0]
    if item.type == "string":
        texts = sorted({*column.tolist(), *(one for one in known if isinstance(one, str))} - {""})
        values = np.empty(len(texts), dtype=object)
        values[:] = texts
        return values
    return np.unique(column[~_is_missing(column)])


def _missing(item: ArtifactInput) -> npt.NDArray[Any]:
    shape = _shape(item)
    return np.full(shape, "", dtype=object) if item.type == "string" else np.full(shape, np.nan)


def _shape(item: ArtifactInput) -> tuple[int, ...]:
    return (1,) if item.size is None else (1, item.size)


def _new(item: ArtifactInput, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values that no row had; none for lists."""
    if item.size is not None or not len(values):
        return values[:0]
    if item.type == "bool":
        return np.setdiff1d(np.array([0, 1], dtype=values.dtype), values)
    if item.type == "string":
        text = "new value"
        while text in values:
            text += "_"
        return np.array([text], dtype=object)
    return np.array([values[0] - 1, values[-1] + 1], dtype=values.dtype)


def _is_missing(column: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if column.dtype == object:
        column = np.array([np.nan if value == "" else 0.0 for value in column.tolist()])
    return _anywhere(np.isnan(column))


def _anywhere(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which rows have it, also somewhere in a list; of no rows, none."""
    found: npt.NDArray[np.bool_] = np.asarray(cells.reshape(len(cells), math.prod(cells.shape[1:])).any(axis=1))
    return found
