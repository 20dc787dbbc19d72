"""What `train(data, parameters)` gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Rows with what is known of them."""

    frame: pd.DataFrame
    """A column an input, in the order of model.yaml."""
    label: npt.NDArray[Any]
    """Of a row: the index of its class in `TrainingData.outputs`, or the number to predict."""
    weights: npt.NDArray[Any] | None
    """What each row counts, by `weights` of model.yaml; None: all the same."""
    groups: npt.NDArray[Any] | None
    """Which list of candidates each row is in, by `group` of model.yaml; rows of one list stand together."""


@dataclass(frozen=True)
class TrainingData(Rows):
    """The rows to train on, and what else training may need to know."""

    validation: Rows | None
    """Rows to stop early or to choose by, none of which is in `frame`; None without `validation` in model.yaml.

    They come from the training range: what the model is judged by is not among them.
    """
    task: str
    """`binary`, `multiclass`, `regression` or `ranking`."""
    outputs: list[str]
    """What each number of an answer is: the classes in the order of their indices, or the value."""
    seed: int
    """For whatever draws: the same for the same version."""
