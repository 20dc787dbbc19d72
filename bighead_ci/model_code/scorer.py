"""Artifact kind `python`: the version's own code answers, with its state as data, in an environment of its own lock."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import GOLDEN, ArtifactManifest, GoldenRows
from bighead_ci.errors import InputError, Problem
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.details import detail_rows
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.model_code.state import load_state
from bighead_ci.scorers.artifact import golden_difference
from bighead_ci.scorers.registry import Loader
from bighead_ci.tasks.registry import task_named
from bighead_ci.transforms.columns import authored_columns

Floats = npt.NDArray[np.float64]


class PythonScorer:
    """Scores rows with what model.py made. One call at a time: its code is not known to bear threads."""

    def __init__(self, manifest: ArtifactManifest, model: Any, code: ModelCode) -> None:
        """Take a loaded model.

        Args:
            manifest: Of its artifact.
            model: Has what the task asks of one.
            code: Is blamed for what the model raises.
        """
        self.manifest = manifest
        self._model = model
        self._code = code
        self._task = task_named(manifest.target.task)
        self._file, self._line = code.place_of(getattr(model, self._task.scored_by, None))

    @property
    def place(self) -> str:
        """The method that scores, as messages call it: `models/late/v1/model.py:14: predict_proba`."""
        where = self._file if self._line is None else f"{self._file}:{self._line}"
        return f"{where}: {self._task.scored_by}"

    def score(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Scores of many rows, shape (rows, outputs).

        Raises:
            InputError: the code raised, or answered in another shape.
        """
        frame = estimator_frame(columns, self.manifest.inputs)
        outputs = self.manifest.target.outputs
        if frame.empty:
            return np.empty((0, len(outputs)))
        asked = self._task.scored_by
        with self._code.blaming(asked):
            scores = self._task.scores(self._model, frame)
        wanted = (len(frame), len(outputs))
        if scores.shape != wanted:
            message = f"answers in the shape {scores.shape}, not {wanted}: a row each, and {', '.join(outputs)}"
            raise InputError([Problem(file=self._file, line=self._line, subject=asked, message=message)])
        return scores

    def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
        """Scores of one row. An input that is absent or None counts as missing (NaN, or "").

        Raises:
            InputError: a value is not of its input's type or size, or as `score`.
        """
        scores: list[float] = self.score(authored_columns([inputs], self.manifest.inputs))[0].tolist()
        return scores

    def details(self, columns: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
        """What the model says of rows besides scores: the fields that model.yaml declares, a mapping a row.

        Raises:
            InputError: the code raised, or gives something else than is declared.
        """
        frame = estimator_frame(columns, self.manifest.inputs)
        if frame.empty:
            return []
        with self._code.blaming("details"):
            given = self._model.details(frame)
        try:
            return detail_rows(given, self.manifest.details, len(frame))
        except (ValueError, TypeError) as error:
            file, line = self._code.place_of(self._model.details)
            raise InputError([Problem(file=file, line=line, subject="details", message=str(error))]) from error


def load_code_scorer(directory: Path, manifest: ArtifactManifest, version: Path) -> PythonScorer:
    """The scorer of a `python` artifact.

    Args:
        directory: The artifact.
        manifest: Its own.
        version: Directory with the version's code.

    Raises:
        InputError: the code cannot be imported, or its state cannot be loaded, or not without running what it says; or
            other versions of its libraries make other scores of it.
    """
    return scorer_of(directory, manifest, ModelCode(version, f"models/{manifest.model}/{manifest.version}"))


def code_loaders(version: Path) -> Mapping[str, Loader]:
    """What loads artifacts that a version's code, in this directory, answers for: kind → loader."""
    return {"python": partial(load_code_scorer, version=version)}


def scorer_of(directory: Path, manifest: ArtifactManifest, code: ModelCode) -> PythonScorer:
    """The same for code that is imported already."""
    model, ages = load_state(directory, manifest, code)
    asked = task_named(manifest.target.task).scored_by
    if not callable(getattr(model, asked, None)):
        raise InputError([code.problem("load", f"returned {type(model).__name__}, which has no {asked}")])
    scorer = PythonScorer(manifest, model, code)
    if ages:
        golden = GoldenRows.read(directory / GOLDEN)
        difference = golden_difference(scorer, golden)
        if not difference <= golden.tolerance:
            message = f"{directory}: golden rows score differently by {difference:.3g}: {'; '.join(ages)}"
            raise InputError(f"{message}; train it again, or lock the version that it was made with")
    return scorer
