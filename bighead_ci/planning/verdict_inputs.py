"""What of main a verdict rests on, by what was planned. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bighead_ci.definitions.files import RUN, Files, Place, place_of
from bighead_ci.definitions.shared_locks import is_shared
from bighead_ci.documents.plan import Plan, ReleaseChange
from bighead_ci.documents.release import release_path, rendered_directory
from bighead_ci.planning.dependencies import dependency_paths
from bighead_ci.planning.meaning import DATA_LOCK
from bighead_ci.planning.specs import is_unread

POLICIES = "policies"
MODELS = "models"


def verdict_inputs(plan: Plan, files: Files) -> set[str]:
    """Files and directories of main whose change outdates the verdict on a plan.

    A shared lock that a version names is none: it says the same wherever it is, and where it is not nothing is planned.

    Args:
        plan: What was judged.
        files: What the merge would leave.
    """
    found = {file.path for file in plan.files}
    for model in plan.models:
        found |= {POLICIES, DATA_LOCK, *dependency_paths(files, model.model, model.version)}
    if any(is_shared(file.path) and file.change == "removed" for file in plan.files):
        found.add(MODELS)  # any version may have begun to name what this removes
    for change in plan.releases:
        found |= _release_inputs(change, files)
    return found | _freezing(plan, files)


def _freezing(plan: Plan, files: Files) -> set[str]:
    """Releases that say whether what a plan edits or removes in place is frozen; what is new is frozen by none."""
    touched_places = {place for file in plan.files if (place := place_of(file.path)) and _is_meant(file.path, place)}
    models = {(place.name, place.of) for place in touched_places if place.kind == "model"}
    if any(place.kind in {"feature-set", "source"} for place in touched_places):
        models |= {
            (name, version) for one in plan.impacts for name, _, version in (id_.partition("/") for id_ in one.models)
        }
    added = {file.path for file in plan.files if file.change == "added"}
    edited = {name for name, version in models if Place("model", name, version).file not in added}
    environments = [place.name for place in files.places if place.kind == "environment"]
    return {release_path(environment, name) for environment in environments for name in edited}


def _is_meant(path: str, place: Place) -> bool:
    """Whether a change of the file may be refused of what serves: a card, or what its next run is made of, is not."""
    file = path.removeprefix(f"{place.folder}/")
    return place.kind != "model" or (file != RUN and not is_unread(file))


def _release_inputs(change: ReleaseChange, files: Files) -> set[str]:
    """A canary's step and a way back rest on the release alone: their evidence is telemetry, or what was."""
    own = {make(change.environment, change.model) for make in (release_path, rendered_directory)}
    if change.move in {"advance", "retire", "rollback"}:
        return own
    own.add(Place("environment", change.environment).file)
    if change.move == "promote":
        own.add(POLICIES)
        definition = files.environment(change.environment)
        if definition is not None and definition.promotes_from:
            own.add(release_path(definition.promotes_from, change.model))
    return own


def touched(inputs: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Those of the paths that are one of the inputs, or lie in one; sorted."""
    exact = set(inputs)
    return sorted(path for path in paths if any(part in exact for part in _prefixes(path)))


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]
