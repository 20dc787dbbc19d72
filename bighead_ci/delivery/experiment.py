"""Runs a model version with other parameters than it says, and holds each run against the version as it is written.

Nothing of it is a record: no verb finds it, and the version's own files are only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.comparison import Predictions, compared_rows, outcome
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.failures import Failures
from bighead_ci.documents.base import CommitId
from bighead_ci.documents.experiment import AS_WRITTEN, ComparedExperiment, Experiment, ExperimentTable
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.record import EvaluationResult, MetricDifference, Timings
from bighead_ci.errors import BigheadError
from bighead_ci.planning.experiments import Parameters, described
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import PREDICTIONS
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree
from bighead_ci.tasks.registry import METRICS
from bighead_ci.transforms.pairing import Unmatched

_WRITTEN = f"the version {AS_WRITTEN}"


@dataclass(frozen=True)
class Subject:
    """A model version in a work tree, as it was when somebody asked."""

    model: str
    version: str
    tree: Tree
    commit: CommitId | None
    """Its last commit."""
    dirty: bool
    """Files of the tree are not as in that commit."""


@dataclass(frozen=True)
class _Ran:
    """What a run left, whoever ran it."""

    parameters: dict[str, Any]
    evaluation: EvaluationResult
    training_set: str
    timings: Timings
    predictions: Path


class Experiments:
    """Those of one version on the same files, data and engine.

    Args:
        context: Ports.
        subject: The version.
        progress: Gets a line as each part begins and ends.

    Raises:
        InputError: the version, or something that it names, is missing or has problems.
    """

    def __init__(self, context: Context, subject: Subject, progress: Progress) -> None:
        self.parameters = Parameters.of(subject.tree, subject.model, subject.version)
        self._context = context
        self._subject = subject
        self._progress = progress
        self.base = self._inputs(subject.tree).content_key

    def run(self, chosen: Sequence[Mapping[str, Any]], failures: Failures) -> list[Experiment]:
        """Run each, one after another, and the version as written before them unless its result is known.

        Each is kept as soon as it is done. One that fails does not keep the others from being tried.

        Args:
            chosen: What each replaces.
            failures: Gets what went wrong with one of them.

        Raises:
            InputError: the version as written cannot be run.
            RetryError: disk full, locks held.
        """
        written = self._kept({}, None)
        self._progress(_sentence(written))
        found = [written]
        for number, overrides in enumerate(chosen, start=1):
            name = described(overrides)
            self._progress(f"{number} of {len(chosen)}: {name}")
            try:
                kept = self._kept(overrides, written)
            except BigheadError as error:
                failures.add(name, error)
                self._progress(f"{name} failed: {error}")
            else:
                found.append(kept)
                self._progress(_sentence(kept))
        return found

    def earlier(self) -> list[Experiment]:
        """All that are kept of the version as it is now, and its run as written if there is one."""
        return self._context.experiments.of_base(self.base)

    def table(self, found: Sequence[Experiment]) -> ExperimentTable:
        """Experiments side by side, best first by the primary metric."""
        metric = self._primary
        sign = -1 if METRICS[metric].higher_is_better else 1
        rows = sorted(
            (_compared(one, metric) for one in found),
            key=lambda row: (row.metric is None, sign * row.metric.value if row.metric else 0.0, bool(row.overrides)),
        )
        names = dict.fromkeys(name for row in rows for name in row.overrides)
        return ExperimentTable(
            model=self._subject.model,
            version=self._subject.version,
            base=self.base,
            metric=metric,
            higher_is_better=METRICS[metric].higher_is_better,
            written={name: self.parameters.values[name] for name in names},
            rows=rows,
            command=self._context.experiments.command(),
        )

    @cached_property
    def _primary(self) -> str:
        definitions = Inputs(Files(self._subject.tree), self._context.engine).definitions
        return definitions.model(self._subject.model, self._subject.version).definition.evaluation.primary

    def _inputs(self, tree: Tree) -> VersionInputs:
        inputs = Inputs(Files(tree), self._context.engine)
        return inputs.of(inputs.definitions.model(self._subject.model, self._subject.version))

    def _kept(self, overrides: Mapping[str, Any], written: Experiment | None) -> Experiment:
        """The experiment, run unless it is kept; of several processes that want it, one runs it."""
        tree = self.parameters.replaced(self._subject.tree, overrides) if overrides else self._subject.tree
        inputs, store = self._inputs(tree), self._context.experiments
        with self._context.orchestrator.exclusive(inputs.content_key, self._progress):
            known = (one for one in store.of_base(self.base) if one.content_key == inputs.content_key)
            if (found := next(known, None)) is not None:
                return found
            if not overrides:
                self._progress(f"first {_WRITTEN}")
            with self._ran(tree, inputs) as ran:
                made = self._experiment(overrides, inputs.content_key, ran, written)
                return store.save(made, {PREDICTIONS: ran.predictions})

    @contextmanager
    def _ran(self, tree: Tree, inputs: VersionInputs) -> Iterator[_Ran]:
        found = self._done(inputs.content_key)
        if found is not None:
            self._progress("its result is known, nothing to run")
            yield found
            return
        with self._context.orchestrator.run_tree(tree, inputs, self._progress) as left:
            result = left.result
            yield _Ran(
                parameters=result.parameters,
                evaluation=result.evaluation,
                training_set=result.training_set_digest,
                timings=left.timings,
                predictions=left.files / PREDICTIONS,
            )

    def _done(self, content_key: str) -> _Ran | None:
        """What an experiment on other files, or a record, has found for the same inputs."""
        store, records = self._context.experiments, self._context.records
        if (kept := store.by_content_key(content_key)) and (file := store.file(kept.run_id, PREDICTIONS)):
            return _Ran(kept.parameters, kept.evaluation, kept.training_set, kept.timings, file)
        if (record := records.by_content_key(content_key)) and (file := records.file(record.run_id, PREDICTIONS)):
            return _Ran(record.parameters, record.evaluation, record.training_set_digest, record.timings, file)
        return None

    def _experiment(
        self, overrides: Mapping[str, Any], content_key: str, ran: _Ran, written: Experiment | None
    ) -> Experiment:
        against = self._differences(ran, written) if written else []
        return Experiment(
            model=self._subject.model,
            version=self._subject.version,
            run_id="",
            base=self.base,
            content_key=content_key,
            overrides=dict(overrides),
            parameters=ran.parameters,
            commit=self._subject.commit,
            dirty=self._subject.dirty,
            training_set=ran.training_set,
            evaluation=ran.evaluation,
            differences=[] if isinstance(against, Unmatched) else against,
            uncompared=against.reason if isinstance(against, Unmatched) else "",
            timings=ran.timings,
            recorded_at=self._context.clock.now(),
        )

    def _differences(self, ran: _Ran, written: Experiment) -> list[MetricDifference] | Unmatched:
        theirs = self._context.experiments.file(written.run_id, PREDICTIONS)
        return compared_rows(
            Predictions(ran.predictions, ran.evaluation.target, "this run"),
            Predictions(theirs, written.evaluation.target, _WRITTEN),
            against=AS_WRITTEN,
            model_version=written.version,
        )


def _compared(one: Experiment, metric: str) -> ComparedExperiment:
    difference = next((found for found in one.differences if found.metric == metric), None)
    return ComparedExperiment(
        run_id=one.run_id,
        overrides=one.overrides,
        metric=one.evaluation.metrics.get(metric),
        difference=difference,
        outcome=outcome(difference),
        uncompared=one.uncompared,
        commit=one.commit,
        dirty=one.dirty,
        seconds=round(one.seconds, 3),
    )


def _sentence(one: Experiment) -> str:
    """What came out, in a line."""
    row = _compared(one, one.evaluation.primary)
    value = "" if row.metric is None else f" {row.metric.value:.4g}"
    held = f", {row.difference.difference:+.3g} against {AS_WRITTEN}" if row.difference else ""
    judged = f" ({row.outcome})" if row.outcome else ""
    return f"{described(one.overrides) or AS_WRITTEN}: {one.evaluation.primary}{value}{held}{judged}"
