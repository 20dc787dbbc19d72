"""Problems of golden rows: each is a mapping of the estimator's inputs."""

from __future__ import annotations

from collections.abc import Iterator

from bighead_ci.definitions.check_expectations import feature_names
from bighead_ci.definitions.files import Files, Place, read_golden_rows
from bighead_ci.definitions.words import closest
from bighead_ci.documents.definition import ModelDefinition
from bighead_ci.errors import Problem
from bighead_ci.features.naming import full_name


def golden_row_problems(files: Files, place: Place, definition: ModelDefinition | None) -> Iterator[Problem]:
    """Rows that are no mappings, or name what is no input."""
    file = f"{place.folder}/golden_rows.json"
    rows, problems = read_golden_rows(files.tree, place.folder)
    yield from problems
    if problems:
        return
    if not isinstance(rows, list) or not rows:
        yield Problem(file, None, "", "must be a list of one row or more, each a mapping of inputs")
        return
    known = None if definition is None else inputs_of(files, definition)
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            yield Problem(file, None, str(index), "a row must be a mapping of inputs")
        elif known is not None:
            for name in sorted(row.keys() - known):
                message = "is no input of the estimator"
                yield Problem(
                    file, None, f"{index}.{name}", message, name, ", ".join(sorted(known)), closest(name, known)
                )


def inputs_of(files: Files, definition: ModelDefinition) -> set[str] | None:
    """Names of the estimator's inputs; None if a feature set cannot be read."""
    found = {name for name, field in definition.request.items() if field.use == "input"}
    for use in definition.features:
        used = files.feature_set(use.set)
        if used is None:
            return None
        name = use.set.split("/", 1)[0]
        found |= {full_name(name, feature) for feature in use.columns or feature_names(used)}
    return found
