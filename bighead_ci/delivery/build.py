"""Makes sure that a model version has a record: reused by key, or made: images built, stages run, results kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.documents.base import short
from bighead_ci.documents.definition import VersionedModel
from bighead_ci.documents.image import ImageRef
from bighead_ci.documents.inputs import Image, Target, VersionInputs
from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import InputError
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import ARTIFACT, CONVERSION, PREDICTIONS, SAMPLE, serving_image
from bighead_ci.ports.orchestrator import Outcome
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree


@dataclass(frozen=True)
class Built:
    """A record and what it took to get it."""

    record: RunRecord
    reused: bool
    seconds: float


def ensure_record(
    context: Context, model: str, version: str, commit: str, progress: Progress, *, any_engine: bool = False
) -> Built:
    """The record of a model version as a commit has it, whole; trains only if no whole record has its content key.

    Of several processes that want one content key, one builds and the others wait for it. Stages that an interrupted
    run had finished come back from the shared cache.

    Args:
        context: Ports.
        model: Its name.
        version: `v2`.
        commit: Whose files are run.
        progress: Gets a line as each part begins.
        any_engine: Take a record that an older engine made of the same sources, too: what was judged on a pull request
            stays judged when the engine is upgraded before its promotion.

    Raises:
        InputError: the model's own code or data is wrong; or a record is damaged and something else came out.
        RetryError: disk full, locks held.
    """
    started = time.monotonic()
    build = _Build(context, context.repository.tree(commit), commit, model, version, progress)
    record = build.usable_record(any_engine=any_engine)
    if record is not None:
        progress(f"{build.model.id}: content key {short(record.content_key)} has a record, nothing to run")
        return Built(record, True, time.monotonic() - started)
    with context.orchestrator.exclusive(build.inputs.content_key, build.say):
        record = build.usable_record(any_engine=any_engine)
        if record is not None:
            return Built(record, True, time.monotonic() - started)
        record = build.run()
    return Built(record, False, time.monotonic() - started)


def record_of(context: Context, tree: Tree, model: str, version: str) -> RunRecord | None:
    """The record of a version as a tree has it: by this engine, else the newest that another engine made of the same.

    Raises:
        InputError: the version is missing or has problems.
    """
    inputs = Inputs(Files(tree), context.engine)
    found = inputs.of(inputs.definitions.model(model, version))
    return context.records.by_content_key(found.content_key) or next(_by_other_engines(context, found), None)


def _by_other_engines(context: Context, wanted: VersionInputs) -> Iterator[RunRecord]:
    """Records that would have this content key, had today's engine made them: of the same files, whoever ran them.

    What counts is what the files mean: an owner or a description that changed since makes no other record.
    """
    for record in context.records.of_version(wanted.model, wanted.version):
        with suppress(InputError):
            then = Inputs(Files(context.repository.tree(record.commit)), context.engine)
            if then.of(then.definitions.model(wanted.model, wanted.version)).content_key == wanted.content_key:
                yield record


class _Build:
    """One model version at one commit."""

    def __init__(self, context: Context, tree: Tree, commit: str, model: str, version: str, progress: Progress) -> None:
        self.context = context
        self.tree = tree
        self.commit = commit
        self.progress = progress
        self.planned = Inputs(Files(tree), context.engine)
        self.model: VersionedModel = self.planned.definitions.model(model, version)
        self.inputs: VersionInputs = self.planned.of(self.model)

    def say(self, line: str) -> None:
        self.progress(f"{self.model.id}: {line}")

    def usable_record(self, *, any_engine: bool) -> RunRecord | None:
        """The record, if what it stands for can still be served."""
        records = self.context.records
        found = records.by_content_key(self.inputs.content_key)
        candidates = chain([found] if found else [], _by_other_engines(self.context, self.inputs) if any_engine else [])
        return next((one for one in candidates if not self._why_unusable(one)), None)

    def run(self) -> RunRecord:
        """Build the image to train in, run the stages, build what serves what they made, keep what they left.

        A damaged record is made whole again: same key, so the same must come out.
        """
        damaged = self.context.records.by_content_key(self.inputs.content_key)
        if damaged is not None:
            self.say(f"{self._why_unusable(damaged)}; made again")
        trains = self._image("train")
        with self.context.orchestrator.run(self.commit, self.inputs, self.say) as outcome:
            serves = self._image(serving_image(self.model.definition.serving.kind, outcome.result.kind))
            record = self._save(outcome, {"train": trains, "serve": serves})
        if damaged is not None and (still := self._why_unusable(damaged)):
            raise InputError(f"{self.model.id}: making it again gave something else; restore it from a copy: {still}")
        return record

    def _image(self, image: Image) -> ImageRef:
        return self.context.images.ensure(self.planned.recipe(image, self.model), self.tree, self.say)

    def _save(self, outcome: Outcome, images: dict[Target, ImageRef]) -> RunRecord:
        record = RunRecord(
            **dict(outcome.result),
            run_id="",
            commit=self.commit,
            recorded_at=self.context.clock.now(),
            images=images,
            timings=outcome.timings,
            row_milliseconds=MeasuredConversion.read(outcome.files / CONVERSION).milliseconds,
            sandbox=outcome.sandbox,
        )
        files = {name: outcome.files / name for name in (ARTIFACT, PREDICTIONS, SAMPLE)}
        return self.context.records.save(record, files)

    def _why_unusable(self, record: RunRecord) -> str:
        """Why what a record stands for can no longer be served; empty when it can."""
        try:
            self.context.records.artifact(record.artifact)
        except InputError as error:
            return f"the artifact of record {record.run_id} is missing or damaged: {error}"
        if self.context.images.find(record.image) is None:
            return f"image {short(record.image)} of record {record.run_id} is missing or damaged"
        return ""
