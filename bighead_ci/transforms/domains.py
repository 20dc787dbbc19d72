"""What an estimator takes of each input, tried on it: what it refuses, its served form must refuse too.

An encoder that knows its training categories alone raises on any other, and its graph may score that or break. So
each input is tried with a missing value and one that no row had; what serving cannot know otherwise is in the manifest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput, InputDomain
from bighead_ci.errors import InputError
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.deviation import deviation

Floats = npt.NDArray[np.float64]
Scores = Callable[[Columns], Floats]
MOST_VALUES = 100_000
"""Of one input that are tried one by one and kept."""


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

    def _takes(self, values: npt.NDArray[Any]) -> bool:
        try:
            return bool(np.isfinite(self.estimator(self.rows(values))).all())
        except Exception:  # noqa: BLE001 - the author's code raises what it wants
            return False


def find_domains(
    estimator: Any, scores: Scores, graph: Scores, inputs: Sequence[ArtifactInput], seen: Columns, tolerance: float
) -> list[InputDomain]:
    """The domains of the inputs that the estimator does not take every value of.

    Args:
        estimator: Fitted; categories that its steps know are tried like those of the rows.
        scores: The estimator's.
        graph: Those of its ONNX form.
        inputs: What both take.
        seen: Every row there is; the first is one that the estimator takes.
        tolerance: How far the two scores of a value that the estimator takes may be apart.

    Raises:
        InputError: the graph scores a missing or new value of an input differently (all inputs at once), or a domain
            has too many values.
    """
    base = {name: column[:1] for name, column in seen.items()}
    known = sorted(set(_categories(estimator)))
    domains: list[InputDomain] = []
    problems: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for item in inputs:
            trial = _Trial(item, base, scores)
            domain, tried = _domain(trial, _values(item, seen[item.name], known))
            if domain is not None:
                domains.append(domain)
            found = (_difference(trial, graph, what, value, tolerance) for what, value in tried.items())
            problems += filter(None, found)
    if problems:
        raise InputError("; ".join(problems))
    return domains


def _domain(trial: _Trial, values: npt.NDArray[Any]) -> tuple[InputDomain | None, dict[str, npt.NDArray[Any]]]:
    """An input's domain if it has bounds, and the values that the estimator takes, by what they are."""
    missing, new = _missing(trial.item), _new(trial.item, values)
    nullable, open_ended = bool(len(trial.taken(missing))), not len(new) or bool(len(trial.taken(new)))
    tried = {"a missing value": missing} if nullable else {}
    if open_ended:
        if len(new) and trial.item.type == "string":
            tried["a value that no row had"] = new[:1]
        return (None if nullable else InputDomain(input=trial.item.name, null=False)), tried
    if len(values) > MOST_VALUES:
        raise InputError(
            f"input {trial.item.name}: the estimator refuses values that it has not seen and has seen {len(values):,}; "
            f'allowed: at most {MOST_VALUES:,}; let its encoder take unknown values (handle_unknown="ignore")'
        )
    taken = trial.taken(values).tolist()
    return InputDomain(input=trial.item.name, null=nullable, values=taken), tried


def _difference(trial: _Trial, graph: Scores, what: str, value: npt.NDArray[Any], tolerance: float) -> str:
    rows = trial.rows(value)
    wanted = trial.estimator(rows)
    name = f"input {trial.item.name}: for {what} ({value[0]!r})"
    try:
        found = graph(rows)
    except InputError as error:
        return f"{name} the estimator gives scores and its ONNX form none: {error}"
    largest = float(deviation(found, wanted).max())
    if largest <= tolerance:
        return ""
    return (
        f"{name} the ONNX form scores differently by {largest:.3g}, allowed: {tolerance:g}; "
        "let the pipeline impute or refuse it, or encode it otherwise"
    )


def _values(item: ArtifactInput, column: npt.NDArray[Any], known: Sequence[str]) -> npt.NDArray[Any]:
    """Different values of a column that are not missing, and what the estimator's steps know besides."""
    if item.size is not None:
        return column[:0]
    if item.type == "string":
        texts = sorted({*column.tolist(), *known} - {""})
        values = np.empty(len(texts), dtype=object)
        values[:] = texts
        return values
    return np.unique(column[~np.isnan(column)])


def _missing(item: ArtifactInput) -> npt.NDArray[Any]:
    shape = (1,) if item.size is None else (1, item.size)
    return np.full(shape, "", dtype=object) if item.type == "string" else np.full(shape, np.nan, dtype=np.float32)


def _new(item: ArtifactInput, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values that no row had; none for lists."""
    if item.size is not None or not len(values):
        return values[:0]
    if item.type == "bool":
        return np.setdiff1d(np.array([0.0, 1.0], dtype=np.float32), values)
    if item.type == "string":
        text = "new value"
        while text in values:
            text += "_"
        return np.array([text], dtype=object)
    return np.array([values[0] - 1, values[-1] + 1], dtype=np.float32)


def _categories(step: Any, seen: set[int] | None = None) -> Iterator[str]:
    """Text categories of scikit-learn's encoders, wherever in a pipeline they are."""
    seen = set() if seen is None else seen
    if id(step) in seen:
        return
    seen.add(id(step))
    if isinstance(step, list | tuple):
        for one in step:
            yield from _categories(one, seen)
    elif hasattr(step, "get_params"):
        for name, value in vars(step).items():
            if name == "categories_":
                yield from (one for column in value for one in column if isinstance(one, str))
            else:
                yield from _categories(value, seen)
