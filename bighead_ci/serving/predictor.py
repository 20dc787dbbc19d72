"""One prediction: check the request, look features up, score, count, log."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bighead_ci.documents.base import epoch_us
from bighead_ci.documents.explanation import Explanation
from bighead_ci.documents.live import VariantConfig
from bighead_ci.errors import BugError, InputError
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.scorer import LoadedArtifact, Scorer
from bighead_ci.scorers.explaining import explain
from bighead_ci.serving.domains import Domains
from bighead_ci.serving.frames import DETAILS
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.prediction_log import LogRow, PredictionLogWriter
from bighead_ci.serving.request import Checked, RequestError, RequestSchema
from bighead_ci.tasks.explaining import explanations_of
from bighead_ci.tasks.registry import task_named
from bighead_ci.transforms.columns import authored_columns


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row that fits, with all that the model is to see of it."""

    fields: dict[str, Any]
    """As sent, checked."""
    found: dict[str, Any]
    """Features."""
    inputs: dict[str, Any]
    now: datetime
    """The moment that features are of."""
    known_until: dict[str, int]
    """By set, of the features."""
    seconds: float
    """That this took."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One row's answer."""

    answer: dict[str, Any]
    """As callers get it."""
    scores: list[float]


class ScoreError(Exception):
    """The model gives no number: it does not bear these inputs, which are not the caller's alone."""


@runtime_checkable
class RemoteScorer(LoadedArtifact, Protocol):
    """Answers for a model from a process of its own."""

    @property
    def place(self) -> str:
        """File, line and name of what scores."""

    async def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        """Scores of rows of inputs, in their order.

        Raises:
            ScoreError: there are none.
        """

    async def detail_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What the version's own code says of rows besides scores, in their order.

        Raises:
            ScoreError: it says nothing, or something else than is declared.
        """


class FeatureRows(Protocol):
    """Features of many rows, in their order."""

    @property
    def known_until(self) -> dict[str, int]:
        """As `FeatureLookup.known_until`, of the rows that were read."""

    def read(self, most: int) -> bool:
        """Read up to `most` more rows from the store, and say whether some are left."""

    def __next__(self) -> dict[str, int | float | str | None]:
        """`<set>.<feature>` → value, of the next row that was read; computed now."""


class FeatureLookup(Protocol):
    """Features by key, as of an instant."""

    def fetch(self, keys: Mapping[str, Mapping[str, Any]], as_of_us: int) -> dict[str, int | float | str | None]:
        """`<set>.<feature>` → value, of all sets that keys are given for; a null key is one that nobody stored."""

    def fetch_many(self, keys: Sequence[Mapping[str, Mapping[str, Any]]], as_of_us: int) -> FeatureRows:
        """The same for many rows, of one state of each set; nothing is read yet."""

    def known_until(self) -> dict[str, int]:
        """Set → the moment (UTC microseconds) up to which what was fetched last knows events."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Features of many rows, as of one moment."""

    now: datetime
    rows: FeatureRows | None
    """None: the model has no features."""

    def read(self, most: int) -> bool:
        """Read up to `most` more rows from the store, and say whether some are left.

        Raises:
            RetryError, InputError: as `Predictor.prepare`.
        """
        return self.rows is not None and self.rows.read(most)


class Predictor:
    """Answers requests of one variant."""

    def __init__(
        self,
        config: VariantConfig,
        *,
        scorer: Scorer | RemoteScorer,
        features: FeatureLookup | None,
        metrics: ServingMetrics,
        log: PredictionLogWriter | None,
        clock: Clock,
    ) -> None:
        manifest = scorer.manifest
        self.manifest = manifest
        self._task = task_named(manifest.target.task)
        self.schema = RequestSchema(manifest.request)
        self._scorer = scorer
        # Asked once: such a check of a protocol takes 20 µs.
        self._remote: RemoteScorer | None = None
        self._local: Scorer | None = None
        if isinstance(scorer, RemoteScorer):
            self._remote = scorer
        else:
            self._local = scorer
        self._place = "the model" if self._remote is None else self._remote.place
        self._features = features
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._domains = Domains(manifest) if manifest.domains else None
        self._inputs = [(column.name, metrics.nulls[column.name]) for column in manifest.inputs]
        self._sets = [(schema.set, list(manifest.feature_keys[schema.set].items())) for schema in manifest.features]
        self._wanted = sum(len(schema.columns) for schema in manifest.features)
        self._about = {
            "model": config.model,
            "version": config.version,
            "variant": config.variant,
            "artifact": config.artifact,
        }

    def predict(self, body: Any) -> dict[str, Any]:
        """The answer to a decoded JSON body, by a model in this process.

        Raises:
            RequestError, RetryError, InputError: as `prepare`.
            ScoreError: as `prepare` and `score`.
        """
        return self.score(self.prepare(body)).answer

    @property
    def is_remote(self) -> bool:
        """Whether rows are scored elsewhere, and others may have their turn meanwhile."""
        return self._remote is not None

    def prepare(self, body: Any) -> Prepared:
        """Check a decoded JSON body and look its features up; nothing is counted or logged yet but unknown fields.

        Raises:
            RequestError: the request does not fit the schema, or has a value that the model does not take.
            RetryError: the online store does not answer.
            InputError: the store's features are not those the model was trained on any more.
            ScoreError: the model does not take what the store has.
        """
        started = time.perf_counter()
        checked = self.check(body)
        now = self._clock.now()
        found = self._look_up(checked.fields, epoch_us(now))
        return self._prepared(checked, found, now, self._known_until(), started)

    def check(self, body: Any) -> Checked:
        """Check a decoded JSON body; unknown fields are counted.

        Raises:
            RequestError: as `prepare`.
        """
        checked = self.schema.check(body)
        if checked.unknown:
            self._metrics.unknown_fields.inc(checked.unknown)
        return checked

    def look_up(self, rows: Sequence[Checked]) -> Lookup:
        """Features of many rows, of one state of each set; to be read before a row is prepared."""
        now = self._clock.now()
        if self._features is None:
            return Lookup(now, None)
        return Lookup(now, self._features.fetch_many([self._keys(row.fields) for row in rows], epoch_us(now)))

    def prepare_next(self, checked: Checked, lookup: Lookup) -> Prepared:
        """`prepare` for the next row of a lookup that was read.

        Raises:
            RequestError, RetryError, InputError, ScoreError: as `prepare`.
        """
        started = time.perf_counter()
        found = {} if lookup.rows is None else next(lookup.rows)
        known_until = {} if lookup.rows is None or self._log is None else lookup.rows.known_until
        return self._prepared(checked, found, lookup.now, known_until, started)

    def score(self, row: Prepared) -> Predicted:
        """Score a row in this process, count it and log it.

        Raises:
            ScoreError: the model gave no number.
        """
        started = time.perf_counter()
        scores = self._score(row.inputs)
        if not all(map(math.isfinite, scores)):
            raise self._no_number(scores, row)
        return self.answer(row, scores, started)

    async def score_remotely(self, row: Prepared) -> Predicted:
        """The same where the model answers from a process of its own.

        Raises:
            ScoreError: as `score`; or that process ended.
        """
        started = time.perf_counter()
        (scores,) = await self.remote_scores([row])
        return self.answer(row, scores, started)

    def scores(self, rows: Sequence[Prepared]) -> list[list[float]]:
        """Scores of many rows by one call of a model in this process; nothing is counted or logged.

        Raises:
            ScoreError: the model gave no number for a row.
        """
        scorer = self._here()
        try:
            found = scorer.score(authored_columns([row.inputs for row in rows], self.manifest.inputs))
        except InputError as error:
            raise ScoreError(str(error)) from error
        scores: list[list[float]] = found.tolist()
        self._require_numbers(scores, rows)
        return scores

    async def remote_scores(self, rows: Sequence[Prepared]) -> list[list[float]]:
        """The same where the model answers from a process of its own.

        Raises:
            ScoreError: as `scores`; or that process ended.
        """
        if self._remote is None:
            raise BugError("the model is in this process")
        scores = await self._remote.score_rows([row.inputs for row in rows])
        self._require_numbers(scores, rows)
        return scores

    async def details(self, rows: Sequence[Prepared]) -> list[dict[str, Any]]:
        """What each row's answer has more where model.yaml declares details; nothing is counted or logged.

        Raises:
            ScoreError: the version's own code gives something else than is declared, or ended.
        """
        if not self.manifest.details or self._remote is None:
            return [{} for _ in rows]
        return [{DETAILS: one} for one in await self._remote.detail_rows([row.inputs for row in rows])]

    def explain(self, rows: Sequence[Prepared]) -> list[Explanation]:
        """What the scores of rows are made of; nothing is counted or logged. Safe beside other calls, in any thread.

        Raises:
            NoExplanationError: the artifact has no explanations.
            ScoreError: the model does not take a row, or its raw scores are no finite numbers.
        """
        try:
            found = explain(self._scorer, authored_columns([row.inputs for row in rows], self.manifest.inputs))
        except InputError as error:
            raise ScoreError(str(error)) from error
        wrong = np.flatnonzero(~(np.isfinite(found.raw).all(axis=1) & np.isfinite(found.shares).all(axis=(1, 2))))
        if wrong.size:
            raise ScoreError(f"raw scores {found.raw[wrong[0]].tolist()} cannot be divided among inputs")
        return explanations_of(found, self.manifest)

    def answer(self, row: Prepared, scores: list[float], started: float, list_id: str | None = None) -> Predicted:
        """Count and log a row that was scored, and say what its caller is told.

        Args:
            row: What was scored.
            scores: The model's, finite.
            started: By `time.perf_counter`, when work on it went on after it was prepared.
            list_id: Of the list that it is put in order with.
        """
        for name, nulls in self._inputs:
            if row.inputs[name] is None:
                nulls.inc()
        self._metrics.rows.inc()
        self._metrics.scores.observe(self._task.observed_row(scores))
        at_us = time.time_ns() // 1000
        answer = {
            "prediction_id": new_id(at_us),
            **self._about,
            **self._task.answer(scores, self.manifest.target),
            "as_of": row.now.isoformat(),
            "features": self._wanted,
            "features_found": sum(value is not None for value in row.found.values()),
        }
        if self._log is not None:
            milliseconds = (row.seconds + time.perf_counter() - started) * 1000
            logged = LogRow(
                prediction_id=answer["prediction_id"],
                at_us=at_us,
                as_of_us=epoch_us(row.now),
                known_until=row.known_until,
                request=row.fields,
                inputs=row.inputs,
                scores=scores,
                milliseconds=round(milliseconds, 4),
                list_id=list_id,
            )
            self._log.put(logged)
        return Predicted(answer, scores)

    def _prepared(
        self, checked: Checked, found: dict[str, Any], now: datetime, known_until: dict[str, int], started: float
    ) -> Prepared:
        inputs = self._collect(checked.fields, found)
        if self._domains is not None:
            self._refuse_unknown(self._domains, inputs, checked.fields)
        return Prepared(checked.fields, found, inputs, now, known_until, time.perf_counter() - started)

    def _known_until(self) -> dict[str, int]:
        return {} if self._features is None or self._log is None else self._features.known_until()

    def _look_up(self, fields: dict[str, Any], as_of_us: int) -> dict[str, Any]:
        return {} if self._features is None else dict(self._features.fetch(self._keys(fields), as_of_us))

    def _keys(self, fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {set_id: {column: fields[field] for column, field in keys} for set_id, keys in self._sets}

    def _collect(self, fields: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
        return {name: fields[name] if name in fields else found.get(name) for name, _ in self._inputs}

    @staticmethod
    def _refuse_unknown(domains: Domains, inputs: dict[str, Any], fields: dict[str, Any]) -> None:
        problems = domains.problems(inputs)
        if sent := [problem for problem in problems if problem.field in fields]:
            raise RequestError(sent)
        if problems:
            found = "; ".join(f"{one.field}: {one.value}; allowed: {one.allowed}" for one in problems)
            raise ScoreError(f"the model does not take what the feature store has: {found}")

    def _score(self, inputs: dict[str, Any]) -> list[float]:
        scorer = self._here()
        try:
            return scorer.score_row(inputs)
        except InputError as error:  # trying it again would not help, as it does with a store that does not answer
            raise ScoreError(str(error)) from error

    def _here(self) -> Scorer:
        if self._local is None:
            raise BugError("the model is in a process of its own")
        return self._local

    def _require_numbers(self, scores: Sequence[list[float]], rows: Sequence[Prepared]) -> None:
        for one, row in zip(scores, rows, strict=True):
            if not all(map(math.isfinite, one)):
                raise self._no_number(one, row)

    def _no_number(self, scores: list[float], row: Prepared) -> ScoreError:
        what = f"{self._place} gave {scores}, of which not all are finite numbers"
        return ScoreError(f"{what}; inputs that are null: {_nulls(row.inputs)}")


def new_id(at_us: int) -> str:
    """Sorts by time, in microseconds since 1970, and is used once."""
    return f"{at_us // 1000:012x}{os.urandom(10).hex()}"


def _nulls(inputs: dict[str, Any]) -> str:
    return ", ".join(name for name, value in inputs.items() if value is None) or "none"
