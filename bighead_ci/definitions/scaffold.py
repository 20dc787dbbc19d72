"""New definitions that pass `check` at once: a copy of what is there, or a small template. Pure: paths → bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from bighead_ci.definitions.files import LOCKS, NAME, TAKEN, Files, Kind, Place, next_version
from bighead_ci.definitions.loading import absent, load_source
from bighead_ci.definitions.shared_locks import lock_naming, shared_path
from bighead_ci.documents.definition import ColumnType, SourceDefinition
from bighead_ci.errors import InputError
from bighead_ci.features.naming import feature_name
from bighead_ci.ports.tree import Tree
from bighead_ci.tasks.registry import TASKS, task_named
from bighead_ci.tasks.task import Task

NOT_COPIED = frozenset({"dvc.lock", "dvc.yaml", ".gitignore"})
"""What runs and generators write; a copy makes its own."""
_NUMBERS = ("int64", "float64", "bool")
_EXAMPLES: dict[ColumnType, object] = {"int64": 1, "float64": 0.5, "string": "a", "bool": True, "timestamp": None}

_MODEL_CODE = '''\
"""A linear model on the request's own fields: a start to replace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.compose import ColumnTransformer
{imports}from sklearn.linear_model import {estimator}
from sklearn.pipeline import {pipeline}
from sklearn.preprocessing import {transformers}

{constants}

def build(parameters: Mapping[str, Any]) -> Pipeline:
    """The untrained pipeline; `regularisation` as its estimator has it."""
    columns = ColumnTransformer([
{steps}    ])
    return Pipeline([("columns", columns), ("estimator", {estimator}({arguments}))])
'''
_ENCODED = 'OneHotEncoder(handle_unknown="ignore")'
_IMPUTED = 'make_pipeline(SimpleImputer(strategy="median"), StandardScaler())'
_IMPORTS = {_ENCODED: "", _IMPUTED: "from sklearn.impute import SimpleImputer\n"}
_PREPROCESSING = {_ENCODED: "OneHotEncoder", _IMPUTED: "StandardScaler"}
_MODEL_YAML = """\
owner: {owner}
description: What does {name} predict, and for whom?
task: {task}
{group}
spine: {{source: {source}}}
label: {{source: {label_source}, column: {label}{positive}}}
{split}
request:
{request}
{features}
parameters:
  regularisation: 1.0

evaluation:
  primary: {primary}
"""
_HASH_SPLIT = "split: {kind: hash, evaluate_percent: 20}\n"
_TIMED_HINT = """\
# Rows with a time are judged more honestly by a later time range than they were trained on. Ranges that move with each
# run: the newest 60 days whose labels are known, and the 150 days before them. run.yaml then says as_of.
#   split: {kind: recent, train: 150d, evaluate: 60d}
"""
_FEATURES_HINT = """\
# Features are looked up by key when a caller asks; they need as_of in run.yaml:
#   features: [{set: carrier_delays/v1}]
"""
_CARD = """\
# {name}

What it predicts, from which data, for whom; what it must not be used for; who answers questions.
"""
_FEATURE_SET = """\
owner: {owner}
description: What do these features say?
source: {source}
key: [{key}]
aggregations:
  - column: {column}
    operations: [{operations}]
    windows: [1d, 7d]
"""


@dataclass(frozen=True)
class NewModel:
    """What a model from the template needs to be told."""

    source: str
    label: str
    label_source: str | None = None
    task: str = next(iter(TASKS))
    owner: str | None = None
    positive: str | None = None
    """The class whose score is the answer, where labels are text and there are two."""
    group: str | None = None
    """The column that says which rows are one list of candidates, where these are put in order."""


def copied_version(tree: Tree, kind: Kind, name: str, original: Place) -> dict[str, bytes]:
    """The next version of a name as a copy of an existing one.

    Raises:
        InputError: the original is not there, or the name is not written as it must be.
    """
    files = Files(tree)
    check_name(kind, name)
    if original not in files.places:
        raise InputError([absent(files, original)])
    target = Place(kind, name, next_version(files.places, kind, name))
    kept = [file for file in files.under(f"{original.folder}/") if file not in NOT_COPIED]
    return {f"{target.folder}/{file}": tree.read(f"{original.folder}/{file}") for file in kept}


def latest(tree: Tree, kind: Kind, name: str) -> Place | None:
    """The highest version of a name; None if it has none."""
    number = int(next_version(Files(tree).places, kind, name)[1:]) - 1
    return Place(kind, name, f"v{number}") if number else None


def new_model(tree: Tree, name: str, wanted: NewModel) -> dict[str, bytes]:
    """The first version of a model, from the template, without its `dvc.yaml`; and the shared locks that it names.

    Those that the tree has are left out.

    Raises:
        InputError: no such source or label, or no field to send.
    """
    check_name("model", name)
    source = load_source(tree, wanted.source)
    label_source = wanted.label_source or wanted.source
    hidden = {source.event_id, source.timestamp, source.known_at}
    hidden |= {wanted.label} if label_source == wanted.source else set()
    fields = {
        column: kind
        for column, kind in source.columns.items()
        if column not in hidden and kind != "timestamp" and column not in source.sizes
    }
    if not fields:
        raise InputError(
            f"source {wanted.source} has no plain column that a caller could send; columns: {', '.join(source.columns)}"
        )
    folder, task = f"models/{name}/v1", task_named(wanted.task)
    texts = {
        "model.yaml": _MODEL_YAML.format(
            owner=json.dumps(wanted.owner or source.owner),
            name=name,
            task=wanted.task,
            source=wanted.source,
            label_source=label_source,
            label=wanted.label,
            request="".join(f"  {column}: {{type: {kind}}}\n" for column, kind in fields.items()),
            split=_HASH_SPLIT + (_TIMED_HINT if source.timestamp else ""),
            features=_FEATURES_HINT,
            primary=task.primary,
            group="" if wanted.group is None else f"group: {wanted.group}\n",
            positive="" if wanted.positive is None else f", positive: {json.dumps(wanted.positive)}",
        ),
        "model.py": _model_code(fields, task),
        "README.md": _CARD.format(name=name),
        "golden_rows.json": json.dumps([{column: _EXAMPLES[kind] for column, kind in fields.items()}]) + "\n",
        "expectations.yaml": _expectations(next(iter(fields))),
    }
    shared = {lock: default_lock(lock) for lock in LOCKS}
    found = {f"{folder}/{file}": text.encode() for file, text in texts.items()}
    found |= {f"{folder}/{lock}": lock_naming(text) for lock, text in shared.items()}
    there = tree.files()
    return found | {path: text for text in shared.values() if (path := shared_path(text)) not in there}


def new_feature_set(tree: Tree, name: str, source: str, key: Sequence[str], owner: str | None) -> dict[str, bytes]:
    """The first version of a feature set: a count, and a mean if the source has a number, over a day and a week.

    Raises:
        InputError: no such source.
    """
    check_name("feature-set", name)
    definition = load_source(tree, source)
    column = _number_to_aggregate(definition, key) or key[0]
    operations = ["count", "mean"] if column not in key else ["count"]
    text = _FEATURE_SET.format(
        owner=json.dumps(owner or definition.owner),
        source=source,
        key=", ".join(key),
        column=column,
        operations=", ".join(operations),
    )
    folder = f"features/{name}/v1"
    return {
        f"{folder}/feature_set.yaml": text.encode(),
        f"{folder}/expectations.yaml": _expectations(feature_name(column, "count", "7d")).encode(),
    }


def check_name(kind: Kind, name: str) -> None:
    """Refuse what cannot be a name.

    Raises:
        InputError: it is not written as a name must be, or others need its place.
    """
    if not NAME.fullmatch(name):
        rule = "lower-case letters, digits and _, starting with a letter, at most 63, as flight_delay"
        raise InputError(f"{name!r} is no name: {rule}")
    if (taken := TAKEN.get((kind, name))) is not None:
        raise InputError(f"{name!r} cannot be the name of a {kind}: {taken}; take another name")


def _number_to_aggregate(source: SourceDefinition, key: Sequence[str]) -> str | None:
    skipped = {*key, source.event_id, *source.sizes}
    return next((c for c, kind in source.columns.items() if kind in _NUMBERS and c not in skipped), None)


def default_lock(name: str) -> bytes:
    """A shared lock of what the engine needs, and nothing more; the running engine's environment satisfies it."""
    return resources.files(__package__).joinpath("locks", name).read_bytes()


def _expectations(column: str) -> str:
    return f"expectations:\n  - type: expect_column_values_to_not_be_null\n    kwargs: {{column: {column}}}\n"


def _model_code(fields: Mapping[str, str], task: Task) -> str:
    """Only the transformers that the fields need: an empty one is an error to some converters.

    Numbers are imputed: a feature of a key that is not known is missing, and so is one that a golden row leaves out.
    """
    texts = [column for column, kind in fields.items() if kind == "string"]
    numbers = [column for column, kind in fields.items() if kind != "string"]
    groups = [group for group in (("CATEGORIES", texts, _ENCODED), ("NUMBERS", numbers, _IMPUTED)) if group[1]]
    estimator, arguments = task.starter
    return _MODEL_CODE.format(
        estimator=estimator,
        arguments=arguments,
        imports="".join(_IMPORTS[transformer] for _, _, transformer in groups),
        pipeline="Pipeline, make_pipeline" if numbers else "Pipeline",
        transformers=", ".join(_PREPROCESSING[transformer] for _, _, transformer in groups),
        constants="".join(f"{constant} = {_python_list(columns)}\n" for constant, columns, _ in groups),
        steps="".join(
            f'        ("{constant.lower()}", {transformer}, {constant}),\n' for constant, _, transformer in groups
        ),
    )


def _python_list(names: list[str]) -> str:
    return f"[{', '.join(json.dumps(name) for name in names)}]"
