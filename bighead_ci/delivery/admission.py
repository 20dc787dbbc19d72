"""What a change is refused for before anything of it runs: told from files and from main's history alone.

The checks of a pull request refuse it by these, and `bighead check` says the same of a work tree.
"""

from __future__ import annotations

from bighead_ci.definitions.check import affected, check_files
from bighead_ci.definitions.check_paths import output_problems
from bighead_ci.definitions.files import Files, place_of
from bighead_ci.delivery.approvals import approval_rules
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.proposal import Change
from bighead_ci.delivery.release_files import rendering_problems
from bighead_ci.documents.plan import Plan, PlannedModel
from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.data import committed_data, data_problems
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.versions import version_problems

_JUDGED = frozenset({"promote", "advance", "retire"})
"""Moves that gates judge."""


def admission_problems(context: Context, change: Change) -> list[Problem]:
    """All that a change is refused for, as far as neither records nor telemetry are needed to tell."""
    try:
        if problems := file_problems(change):
            return problems
        plan = change.plan
        if problems := run_problems(context, change):
            return problems
        _check_judges(change, plan)
    except InputError as error:
        return [*error.placed(change.main.branch)]
    return []


def file_problems(change: Change) -> list[Problem]:
    """What is wrong with the files that a change would leave.

    Raises:
        InputError: it conflicts with main.
    """
    files = change.files
    return [
        *check_files(files, change.paths),
        *data_problems(files, affected(files, change.paths)),
        *output_problems(files, change.paths),
        *committed_data(files, change.paths),
    ]


def run_problems(context: Context, change: Change) -> list[Problem]:
    """What is wrong with what is made of the files: rendered manifests, generated files, inputs of runs.

    Raises:
        InputError: the change is not allowed.
    """
    return [*rendering_problems(context, change), *_input_problems(change)]


def _input_problems(change: Change) -> list[Problem]:
    """What is wrong with what a version's run would read: generated files, and inputs that main changed meanwhile.

    A run is made of the branch's files. Where those are not what the merge would leave, it would be the record of
    something that is never on main.
    """
    plan = change.plan
    inputs = Inputs(change.files, change.engine)
    found = [p for name, version in _versions_concerned(plan) for p in version_problems(inputs, name, version)]
    on_branch = Inputs(Files(change.branch), change.engine)
    message = "main changed what this version is made of since the branch began: git merge origin/main, and push"
    found += [
        Problem(file=f"models/{model.id}/model.yaml", message=message)
        for model in plan.models
        if _content_key(on_branch, model) != model.content_key
    ]
    return found


def _content_key(inputs: Inputs, planned: PlannedModel) -> str | None:
    try:
        return inputs.of(inputs.definitions.model(planned.model, planned.version)).content_key
    except InputError:
        return None


def _versions_concerned(plan: Plan) -> list[tuple[str, str]]:
    """Model versions with a new key or a changed file: only these can have come to differ from their `dvc.yaml`."""
    touched = {place for file in plan.files if (place := place_of(file.path)) and place.kind == "model"}
    return sorted({(m.model, m.version) for m in plan.models} | {(place.name, place.of) for place in touched})


def _check_judges(change: Change, plan: Plan) -> None:
    """What a change is judged by must be readable: approvals, gates, and what serves of the models concerned.

    Raises:
        InputError: something of it on main is not, and the change does not mend it.
    """
    approval_rules(change.judge, plan)
    judged = [release for release in plan.releases if release.move in _JUDGED]
    if plan.models or judged:
        change.judge.gates  # noqa: B018 - read now, and refused where it cannot be
    for model in sorted({*(planned.model for planned in plan.models), *(release.model for release in judged)}):
        change.judge.desired.serving(model)
