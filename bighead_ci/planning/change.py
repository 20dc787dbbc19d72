"""Plans a change: what must be rebuilt, what a feature change touches, what is not allowed. Pure.

Only what changed is parsed, and what names it, found by text search: a plan's cost grows with the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bighead_ci.definitions.check_expectations import feature_names
from bighead_ci.definitions.files import Files, Place, name_problems, place_of
from bighead_ci.documents.plan import ChangedFile, FeatureImpact, Plan, PlannedModel, ReleaseChange
from bighead_ci.documents.release import Release
from bighead_ci.errors import InputError, Problem
from bighead_ci.features.naming import full_name
from bighead_ci.planning.frozen import frozen_problems
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.meaning import DATA_LOCK, data_path, snapshots
from bighead_ci.planning.releases import classify, removal_of_unreadable
from bighead_ci.planning.specs import is_unread
from bighead_ci.planning.users import Users
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.tree import Tree

History = Callable[[str, str], Sequence[Release]]


def _no_history(_environment: str, _model: str) -> Sequence[Release]:
    return ()


def plan_change(
    base: Tree,
    head: Tree,
    base_commit: str,
    head_commit: str,
    engine: Engine,
    *,
    history: History = _no_history,
) -> Plan:
    """What a change means.

    Args:
        base: The files before.
        head: The files after.
        base_commit: Commit of `base`.
        head_commit: Commit of `head`.
        engine: What the stages run; its parts are in the content keys of those who use them.
        history: (environment, model) → earlier contents of that release, asked only for releases that changed. Without
            it no rollback but that of a canary can be told.

    Raises:
        InputError: the change is not allowed or names what is not there; all problems at once.
    """
    return _Planner(base, head, engine, history).plan(base_commit, head_commit)


def planned_models(base: Tree, head: Tree, engine: Engine) -> list[PlannedModel]:
    """Only the model versions of a change, for what is on main already: whether its edits were allowed is past.

    Raises:
        InputError: a concerned model version names what is not there.
    """
    models, hindered = plannable_models(base, head, engine)
    if hindered:
        raise InputError([problem for error in hindered.values() for problem in error.problems])
    return models


def plannable_models(base: Tree, head: Tree, engine: Engine) -> tuple[list[PlannedModel], dict[str, InputError]]:
    """The same for each that can be planned; and model → why versions of it cannot.

    Raises:
        InputError: no version can be planned, for a reason that is no model's own.
    """
    planner = _Planner(base, head, engine, _no_history)
    models = planner.models(planner.touched())
    if planner.problems:
        raise InputError(planner.problems)
    hindered: dict[str, list[Problem]] = {}
    for place, problems in planner.hindered.items():
        hindered.setdefault(place.name, []).extend(problems)
    return models, {model: InputError(problems) for model, problems in hindered.items()}


def changed_files(base: Mapping[str, str], head: Mapping[str, str]) -> list[ChangedFile]:
    """Paths that differ, sorted."""
    found = [ChangedFile(path=path, change="removed") for path in base.keys() - head.keys()]
    for path, identity in head.items():
        before = base.get(path)
        if before != identity:
            found.append(ChangedFile(path=path, change="added" if before is None else "modified"))
    return sorted(found, key=lambda file: file.path)


class _Planner:
    def __init__(self, base: Tree, head: Tree, engine: Engine, history: History) -> None:
        self.base = Files(base)
        self.head = Files(head)
        self.engine = engine
        self.history = history
        self.changes = changed_files(self.base.ids, self.head.ids)
        self.problems: list[Problem] = []
        self.hindered: dict[Place, list[Problem]] = {}
        """Model versions that have no key, with what is wrong."""
        self.inputs = Inputs(self.head, engine)
        self.inputs_before = Inputs(self.base, engine)
        self.users = Users(self.head)

    def plan(self, base_commit: str, head_commit: str) -> Plan:
        touched = self.touched()
        models = self.models(touched)
        self.problems += [problem for problems in self.hindered.values() for problem in problems]
        releases = [change for place in sorted(touched) if place.kind == "release" and (change := self._release(place))]
        self.problems += frozen_problems(self.inputs_before.definitions, self.inputs.definitions, touched)
        if self.problems:
            raise InputError(self.problems)
        return Plan(
            base=base_commit,
            head=head_commit,
            files=self.changes,
            models=models,
            impacts=self._impacts(touched),
            releases=releases,
            policies=sorted(place.name for place in touched if place.kind == "gate"),
            removed_models=sorted(
                f"{p.name}/{p.of}"
                for p in touched
                if p.kind == "model" and self.base.has(p.file) and not self.head.has(p.file)
            ),
        )

    def models(self, touched: Mapping[Place, list[str]]) -> list[PlannedModel]:
        """Model versions whose content key is new."""
        because = self._reasons(touched)
        return [planned for place in sorted(because) if (planned := self._planned(place, because[place]))]

    def touched(self) -> dict[Place, list[str]]:
        """Authored things with a changed file → those files, relative to their directory."""
        touched: dict[Place, list[str]] = {}
        for change in self.changes:
            place = place_of(change.path)
            if place is not None:
                touched.setdefault(place, []).append(change.path.removeprefix(f"{place.folder}/"))
        return touched

    def _reasons(self, touched: Mapping[Place, list[str]]) -> dict[Place, list[str]]:
        """Model versions that may have to be rebuilt → why."""
        reasons: dict[Place, list[str]] = {}
        for place, files in touched.items():
            if place.kind == "model" and not all(map(is_unread, files)):
                why = "model files changed" if self.base.has(place.file) else "new model version"
                reasons.setdefault(place, []).append(why)
        for place in touched:
            if place.kind in {"feature-set", "source"}:
                for user in self.users.models(place):
                    reasons.setdefault(user, []).append(f"{_title(place)} changed")
        for source in self._new_data():
            for user in self.users.models(source):
                reasons.setdefault(user, []).append(f"data of {_title(source)} changed")
        return {place: why for place, why in reasons.items() if self.head.has(place.file)}

    def _planned(self, place: Place, because: list[str]) -> PlannedModel | None:
        """The model with its new key; None if the key is what it was."""
        try:
            key = self._key(self.inputs, place)
        except InputError as error:
            self.hindered[place] = [*error.placed(place.file)]
            return None
        try:
            before = self._key(self.inputs_before, place)
        except InputError:
            before = None
        if key is None or key == before:
            return None
        return PlannedModel(model=place.name, version=place.of, content_key=key, because=because)

    def _key(self, inputs: Inputs, place: Place) -> str | None:
        if not inputs.files.has(place.file):
            return None
        return inputs.of(inputs.definitions.model(place.name, place.of)).content_key

    def _new_data(self) -> list[Place]:
        """Sources whose snapshot differs."""
        if not any(change.path == DATA_LOCK for change in self.changes):
            return []
        try:
            after = snapshots(self.head.tree)
        except InputError as error:
            self.problems += error.placed(DATA_LOCK)
            return []
        try:
            before = snapshots(self.base.tree)
        except InputError:
            before = {}  # this change mends it
        sources = [(place, self.head.source(place.name)) for place in self.head.places if place.kind == "source"]
        paths = {place: data_path(source) for place, source in sources if source is not None}
        return sorted(place for place, path in paths.items() if before.get(path) != after.get(path))

    def _impacts(self, touched: Mapping[Place, list[str]]) -> list[FeatureImpact]:
        changed = {place for place in touched if place.kind in {"feature-set", "source"}} | {*self._new_data()}
        return [
            FeatureImpact(
                changed=_title(place),
                columns=self._columns(place),
                models=[f"{user.name}/{user.of}" for user in self.users.models(place)],
            )
            for place in sorted(changed)
        ]

    def _columns(self, place: Place) -> list[str]:
        """Features concerned by a change of a set or source, before or after it."""
        sets = [place] if place.kind == "feature-set" else self.users.feature_sets(place)
        found: set[str] = set()
        for one in sets:
            for files in (self.base, self.head):
                definition = files.feature_set(f"{one.name}/{one.of}")
                found |= {full_name(one.name, name) for name in (feature_names(definition) if definition else ())}
        return sorted(found)

    def _release(self, place: Place) -> ReleaseChange | None:
        base, head = (files.release(place.of, place.name) for files in (self.base, self.head))
        read = self.head.read(place)
        if read is not None and (head is None or name_problems(place)):
            self.problems += [*name_problems(place), *read.problems]
            return None
        if head is None and name_problems(place):
            return None  # nothing ever read it
        if base is None and head is None:
            return removal_of_unreadable(place.of, place.name)
        try:
            change = classify(place.of, place.name, base, head, self.history(place.of, place.name))
        except InputError as error:
            self.problems += error.placed(place.file)
            return None
        if change.move == "promote" and head is not None:
            self._check_plan(place, head)
        return change

    def _check_plan(self, place: Place, head: Release) -> None:
        """A promotion brings the environment's canary plan, not one of its own."""
        environment = self.base.environment(place.of) or self.head.environment(place.of)
        if environment is not None and head.canary != environment.canary:
            read = self.head.read(place)
            message = f"a promotion takes the canary plan of environments/{place.of}/environment.yaml"
            wanted = environment.canary.model_dump_json()
            if read is not None:
                value = head.canary.model_dump_json()
                self.problems.append(read.problem(place.file, ("canary",), message, value, wanted=wanted))


def _title(place: Place) -> str:
    return f"features/sources/{place.name}" if place.kind == "source" else place.folder
