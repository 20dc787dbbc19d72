"""Problems of a model version across files: what it names must exist, and no row may know its own future."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from bighead_ci.definitions.check_expectations import feature_names
from bighead_ci.definitions.files import Files, Place, Read
from bighead_ci.documents.definition import (
    FeatureSetDefinition,
    FeatureUse,
    HashSplit,
    ModelDefinition,
    RequestField,
    SourceDefinition,
    TimeSplit,
    TimeValidation,
    Weights,
)
from bighead_ci.errors import BugError, Problem
from bighead_ci.tasks.registry import OWN_FIELDS, TASKS

NO_TIMESTAMP = "an estimator cannot take a timestamp as input"
INSTEAD = "use: lookup, or numbers made of it: the hour, the weekday"


def model_problems(files: Files, place: Place, definition: ModelDefinition) -> Iterator[Problem]:
    """Everything wrong with one model version beyond its schema."""
    read = files.read(place)
    if read is None:
        raise BugError(f"{place.file} was read and is gone")
    model = _Model(files, place, definition, read)
    yield from model.task_problems()
    yield from model.group_problems()
    yield from model.source_problems()
    yield from model.request_problems()
    yield from model.feature_problems()
    yield from model.time_problems()
    yield from model.evaluation_problems()
    yield from model.training_problems()


class _Model:
    """One model version with what it refers to."""

    def __init__(self, files: Files, place: Place, definition: ModelDefinition, read: Read) -> None:
        self.files = files
        self.place = place
        self.definition = definition
        self.read = read
        self.spine: SourceDefinition | None = files.source(definition.spine.source)

    def say(
        self,
        location: Iterable[str | int],
        message: str,
        value: str | None = None,
        known: Iterable[str] = (),
        *,
        wanted: str | None = None,
    ) -> Problem:
        return self.read.problem(self.place.file, location, message, value, known, wanted=wanted)

    def task_problems(self) -> Iterator[Problem]:
        definition = self.definition
        task = TASKS[definition.task]
        source = self.files.source(definition.label.source)
        kind = source.columns.get(definition.label.column) if source else None
        for problem in task.problems(definition.target(self.place.file), kind, definition.evaluation.primary):
            known = [one.name for one in task.metrics] if problem.value == definition.evaluation.primary else []
            location = problem.subject.split(".")
            yield self.say(location, problem.message, problem.value, known, wanted=problem.allowed)
        for field in sorted(OWN_FIELDS.keys() - task.fields):
            if attrgetter(field)(definition) is not None:
                owners = ", ".join(OWN_FIELDS[field])
                yield self.say(field.split("."), f"is for task {owners}, and this is {task.name}; leave it out")

    def group_problems(self) -> Iterator[Problem]:
        group, spine = self.definition.group, self.spine
        if group is None or spine is None:
            return
        if group not in spine.columns:
            source = self.definition.spine.source
            yield self.say(("group",), f"source {source} has no such column", group, spine.columns)
        elif spine.columns[group] not in {"int64", "string"} or group in spine.sizes:
            yield self.say(("group",), "a group is text or a whole number", f"{group}: {spine.columns[group]}")

    def source_problems(self) -> Iterator[Problem]:
        label = self.definition.label
        for field, name in (("spine", self.definition.spine.source), ("label", label.source)):
            if Place("source", name) not in self.files.places:
                yield self.say((field, "source"), "there is no such source", name, self.files.names("source"))
        source = self.files.source(label.source)
        if source and self.spine:
            yield from self._id_problems(self.spine, source)
        if source and label.column not in source.columns:
            yield self.say(
                ("label", "column"), f"source {label.source} has no such column", label.column, source.columns
            )
        elif source and (label.column in source.sizes or source.columns[label.column] == "timestamp"):
            kind = "a list" if label.column in source.sizes else "a timestamp"
            yield self.say(("label", "column"), "a label is a number, a bool or text", f"{label.column}: {kind}")

    def _id_problems(self, spine: SourceDefinition, labels: SourceDefinition) -> Iterator[Problem]:
        """Rows of the two sources are the same where their event ids are equal: text is equal to no number."""
        own, other = (one.columns.get(one.event_id) for one in (spine, labels))
        if own is not None and other is not None and own != other:
            ours, theirs = self.definition.spine.source, self.definition.label.source
            message = (
                f"labels join the spine by event id, but these have two types: {spine.event_id} in "
                f"{Place('source', ours).file} is {own}, {labels.event_id} in {Place('source', theirs).file} is {other}"
            )
            yield self.say(("label", "source"), message, theirs, wanted=f"a source whose event ids are {own}")

    def request_problems(self) -> Iterator[Problem]:
        spine, label = self.spine, self.definition.label
        if spine is None:
            return
        for name, field in self.definition.request.items():
            yield from self._reserved(("request", name), name)
            column = field.column or name
            where = ("request", name, "column") if field.column else ("request", name)
            if column not in spine.columns:
                source = self.definition.spine.source
                yield self.say(where, f"source {source} has no such column", column, spine.columns)
            elif (label.source, label.column) == (self.definition.spine.source, column):
                yield self.say(where, "the label cannot be an input: it is not known when a caller asks", column)
            else:
                yield from self._field_problems(name, field, column, spine)

    def _reserved(self, where: tuple[str | int, ...], name: str) -> Iterator[Problem]:
        if name.startswith("__"):
            wanted = "a request field of another name, with `column` naming this one"
            yield self.say(where, "names that begin with __ are the training set's own", name, wanted=wanted)

    def _field_problems(
        self, name: str, field: RequestField, column: str, spine: SourceDefinition
    ) -> Iterator[Problem]:
        kind = spine.columns[column]
        if field.type == "timestamp" and field.use == "input":
            yield self.say(("request", name, "type"), NO_TIMESTAMP, field.type, wanted=INSTEAD)
        if field.type != kind and (field.type, kind) != ("float64", "int64"):
            message = f"column {column} of the spine's source is {kind}"
            yield self.say(("request", name, "type"), message, field.type, wanted=kind)
        if field.size != spine.sizes.get(column):
            message = f"column {column} of the spine's source has another length"
            wanted = str(spine.sizes[column]) if column in spine.sizes else "no size: it is a scalar"
            yield self.say(("request", name, "size"), message, str(field.size), wanted=wanted)

    def feature_problems(self) -> Iterator[Problem]:
        seen: dict[str, int] = {}
        for index, use in enumerate(self.definition.features):
            where = ("features", index)
            name, version = use.set.split("/")
            if name in seen:
                first = self.definition.features[seen[name]].set
                message = f"feature set {name} is used already ({first}); name all its columns in one place"
                yield self.say((*where, "set"), message, use.set)
            seen.setdefault(name, index)
            if Place("feature-set", name, version) not in self.files.places:
                known = self.files.names("feature-set")
                yield self.say((*where, "set"), "there is no such feature set", use.set, known)
            else:
                yield from self._use_problems(where, use)

    def _use_problems(self, where: tuple[str | int, ...], use: FeatureUse) -> Iterator[Problem]:
        definition = self.files.feature_set(use.set)
        if definition is None:
            return
        known, taken = set(feature_names(definition)), set[str]()
        if use.columns is not None and not use.columns:
            yield self.say((*where, "columns"), "takes no column; leave the field out to take all")
        for index, column in enumerate(use.columns or []):
            if column not in known:
                yield self.say((*where, "columns", index), f"{use.set} has no such feature", column, known)
            if column in taken:
                yield self.say((*where, "columns", index), "the feature is requested twice", column)
            taken.add(column)
        yield from self._key_problems(where, use, definition)

    def _key_problems(
        self, where: tuple[str | int, ...], use: FeatureUse, definition: FeatureSetDefinition
    ) -> Iterator[Problem]:
        for key in use.keys:
            if key not in definition.key:
                yield self.say((*where, "keys", key), f"is not a key column of {use.set}", key, definition.key)
        source = self.files.source(definition.source)
        for key in definition.key:
            field = use.keys.get(key, key)
            place = (*where, "keys", key) if key in use.keys else where
            request = self.definition.request.get(field)
            if request is None:
                message = f"key {key} of {use.set} is no request field; map it in keys, or add the field"
                yield self.say(place, message, field, self.definition.request)
            elif source and key in source.columns and request.type != source.columns[key]:
                message = f"key {key} of {use.set} is {source.columns[key]}, the request field is {request.type}"
                yield self.say(place, message, field)

    def time_problems(self) -> Iterator[Problem]:
        definition = self.definition
        for field, reason in reasons_for_time(definition).items():
            if self.spine and self.spine.timestamp is None:
                yield self.say((field,), f"{reason}: the spine's source has no timestamp", definition.spine.source)
        if isinstance(definition.split, TimeSplit):
            yield from self._split_problems(definition.split)

    def _split_problems(self, split: TimeSplit) -> Iterator[Problem]:
        for field in ("train", "evaluate"):
            start, end = getattr(split, field)
            if start >= end:
                yield self.say(("split", field), "the range must end after it starts", f"{start} … {end}")
        if split.evaluate[0] < split.train[1]:
            message = "evaluation must start when training ends or later, or the model has seen its own exam"
            value = f"train ends {split.train[1].isoformat()}, evaluate starts {split.evaluate[0].isoformat()}"
            yield self.say(("split", "evaluate"), message, value)

    def evaluation_problems(self) -> Iterator[Problem]:
        evaluation = self.definition.evaluation
        if self.spine is None:
            return
        known = {*self.spine.columns, *self.definition.request}
        for index, column in enumerate(evaluation.slices):
            yield from self._reserved(("evaluation", "slices", index), column)
            if column not in known:
                message = "is neither a request field nor a column of the spine's source"
                yield self.say(("evaluation", "slices", index), message, column, known)
            field = self.definition.request.get(column)
            if (field.column if field and field.column else column) in self.spine.sizes:
                yield self.say(("evaluation", "slices", index), "rows are not sliced by lists", column)

    def training_problems(self) -> Iterator[Problem]:
        """Of weights, validation, categories and trusted types."""
        definition = self.definition
        if definition.weights:
            yield from self._weight_problems(definition.weights)
        if isinstance(definition.validation, TimeValidation) and isinstance(definition.split, HashSplit):
            message = "there is no last part of rows that are split by a hash"
            yield self.say(("validation", "kind"), message, "time", wanted="hash, or a split by time")
        for name, field in definition.request.items():
            if field.categories is not None and (field.type != "string" or field.size is not None):
                message = "only a text has categories"
                yield self.say(("request", name, "categories"), message, field.type, wanted="a string without size")
        if definition.serving.details and definition.serving.kind != "python":
            message = "are answered by the version's own code alone"
            yield self.say(("serving", "details"), message, wanted="serving.kind: python beside it")
        if definition.serving.trusted_types and definition.serving.kind == "compiled":
            message = "no type is made where a compiled kind answers"
            yield self.say(("serving", "trusted_types"), message, wanted="serving.kind: python beside it, or no kind")

    def _weight_problems(self, weights: Weights) -> Iterator[Problem]:
        if weights.column is None and weights.classes is None:
            yield self.say(("weights",), "says nothing", wanted="column, classes or both")
        column, spine = weights.column, self.spine
        if column is None or spine is None:
            return
        where, inputs = ("weights", "column"), self.definition.request.items()
        if column not in spine.columns:
            source = self.definition.spine.source
            yield self.say(where, f"source {source} has no such column", column, spine.columns)
        elif spine.columns[column] not in {"int64", "float64"} or column in spine.sizes:
            yield self.say(where, "a weight is a number", f"{column}: {spine.columns[column]}")
        if named := [name for name, field in inputs if (field.column or name) == column and field.use == "input"]:
            message = f"the model sees it as the input {named[0]}, and no caller knows how much a row counts"
            yield self.say(where, message, column)


def reasons_for_time(definition: ModelDefinition) -> dict[str, str]:
    """Field of a model → why its rows need a time, and its runs an `as_of`; empty when neither is needed."""
    reasons = {
        "features": "features are looked up at a point in time" if definition.features else "",
        "split": "" if isinstance(definition.split, HashSplit) else "a split by time needs time",
        "label": "a label's offset is counted from the row's time" if definition.label.offset else "",
    }
    return {field: reason for field, reason in reasons.items() if reason}
