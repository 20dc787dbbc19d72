"""Brings every environment to what main says. Level-triggered: it compares and acts, whatever happened before.

A pass never waits for a process to become ready: it starts what is missing and leaves the traffic to a later pass. So a
revert that reaches main while another version is starting is in force at the next pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal, TypeVar

from bighead_ci.definitions.files import place_of
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, desired_models
from bighead_ci.delivery.materialize import ensure_materialized
from bighead_ci.delivery.workers import Place, Workers
from bighead_ci.documents.base import Document
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel, LiveVariant
from bighead_ci.errors import BigheadError, InputError
from bighead_ci.ports.platform import Platform
from bighead_ci.ports.progress import Progress

PAUSE_SECONDS = 0.25
"""Between two passes while something is starting."""
ATTENTIVE_SECONDS = 0.05
"""How often main is looked at in that pause."""


class Outcome(Document):
    """What one pass did for one model in one environment."""

    environment: str
    model: str
    """Empty: the environment as a whole."""
    state: Literal["in step", "changed", "starting", "failed"]
    detail: str

    @property
    def where(self) -> str:
        """`prod/flight_delay`."""
        return place_name((self.environment, self.model))


class Reconciliation(Document):
    """One pass over all environments."""

    commit: str
    environments: list[str]
    outcomes: list[Outcome]

    @property
    def failed(self) -> bool:
        """Whether some model could not be brought to what main says."""
        return any(outcome.state == "failed" for outcome in self.outcomes)

    @property
    def starting(self) -> bool:
        """Whether another pass has something to finish."""
        return any(outcome.state == "starting" for outcome in self.outcomes)


def place_name(place: Place) -> str:
    """`prod/flight_delay`, or `prod`: the environment as a whole."""
    return "/".join(filter(None, place))


@dataclass(frozen=True)
class _Model:
    """One model in one environment: what should be and what is."""

    platform: Platform
    desired: DesiredModel
    live: dict[str, LiveVariant]
    since: datetime | None
    """Since when the weights are in force, if the platform can tell."""

    @property
    def environment(self) -> str:
        return self.desired.environment

    @property
    def model(self) -> str:
        return self.desired.model

    @property
    def where(self) -> str:
        return f"{self.environment}/{self.model}"

    @property
    def missing(self) -> list[DesiredVariant]:
        """Variants that are not ready."""
        return [v for v in self.desired.variants if v.name not in self.live or self.live[v.name].state != "ready"]

    @property
    def waited_for(self) -> bool:
        """Whether a variant that gets traffic is not ready; a standby is waited for by nobody."""
        return any(variant.weight for variant in self.missing)

    @property
    def traffic(self) -> dict[str, int]:
        """The weights that should be in force, of the variants that get any."""
        return {variant.name: variant.weight for variant in self.desired.variants if variant.weight}

    @property
    def routed(self) -> bool:
        """Whether the weights are in force, and it is known since when."""
        weights = {name: variant.weight for name, variant in self.live.items() if variant.weight}
        return self.traffic == weights and self.since is not None

    @property
    def unwanted(self) -> bool:
        """Whether a variant runs that main does not name."""
        return bool(self.live.keys() - {variant.name for variant in self.desired.variants})

    @property
    def in_step(self) -> bool:
        """Whether nothing is to be done."""
        return self.routed and not self.unwanted and not self.missing

    def outcome(self, state: Literal["in step", "changed", "starting", "failed"], detail: str = "") -> Outcome:
        return Outcome(environment=self.environment, model=self.model, state=state, detail=detail)


M = TypeVar("M", _Model, LiveModel)


def settle(context: Context, progress: Progress, branch: str = "main") -> Reconciliation:
    """Pass after pass, each over the newest commit, until nothing is starting any more."""
    while True:
        result = reconcile(context, progress, branch)
        if not result.starting:
            return result
        deadline = time.monotonic() + PAUSE_SECONDS
        while time.monotonic() < deadline and context.repository.resolve(branch) == result.commit:
            time.sleep(ATTENTIVE_SECONDS)


def reconcile(
    context: Context,
    progress: Progress,
    branch: str = "main",
    skip: Collection[Place] = (),
    workers: Workers[Outcome] | None = None,
) -> Reconciliation:
    """One pass: move the traffic where everything is ready, then start what is missing.

    Variants that are not wanted any more leave last, and so do environments that main does not name. A variant that
    refuses to serve (a corrupted artifact, a golden mismatch) and a release that cannot be read fail their own model
    only, whose traffic then stays as it was.

    Args:
        context: What to work with.
        progress: Gets a line for each change.
        branch: What says how things should be.
        skip: What to leave as it is: models, and whole environments, whose model is empty.
        workers: Those of the caller's passes, if they shall not wait for what takes long: features that must be
            materialised, a process that ends. Its model is left to them until they are done.
    """
    main = context.main(branch)
    desired = main.desired
    platforms, live, down = _started(context, desired, skip)
    workers = workers or Workers()
    left = desired.stuck.keys() | set(skip) | set(workers.busy)
    found = [
        _model(platforms[model.environment], model, live)
        for model in desired_models(desired)
        if model.environment in platforms and (model.environment, model.model) not in left
    ]
    models = [model for model in found if not model.in_step]
    still, drifted = _drifted(model for model in found if model.in_step)
    # Those that only change their traffic come first: a revert does not wait for another model's features.
    outcomes = still
    routes = _tasks([m for m in models if not m.waited_for], lambda model: _route(context, model, progress))
    routes |= _tasks(drifted, lambda model: _mend(model, progress))
    outcomes += workers.each(routes, slow=False)
    slow = _tasks([m for m in models if m.waited_for], lambda model: _start(context, model, progress))
    released = desired.releases.keys() | desired.unreadable.keys()
    gone = [m for place, m in live.items() if place not in released | left and m.variants]
    slow |= _tasks(gone, lambda model: _stop(platforms[model.environment], desired, model, progress))
    abandoned = {(name, ""): platform for name, platform in context.abandoned(desired.named).items()}
    slow |= {
        place: _contained(place, partial(_stop_environment, place[0], platform, progress))
        for place, platform in abandoned.items()
        if place not in left
    }
    outcomes += workers.each(slow, slow=True)
    outcomes += [
        Outcome(environment=environment, model=model, state="starting", detail="under way")
        for environment, model in workers.busy
    ]
    outcomes += [
        Outcome(environment=environment, model=model, state="failed", detail=str(error))
        for (environment, model), error in desired.stuck.items()
        if (environment, model) not in skip
    ]
    outcomes += down
    outcomes.sort(key=lambda outcome: (outcome.environment, outcome.model))
    return Reconciliation(commit=main.commit, environments=sorted(desired.environments), outcomes=outcomes)


def _started(
    context: Context, desired: Desired, skip: Collection[Place]
) -> tuple[dict[str, Platform], dict[Place, LiveModel], list[Outcome]]:
    """The environments that answer, with what runs there, and what became of the others: one stops no other."""
    platforms: dict[str, Platform] = {}
    live: dict[Place, LiveModel] = {}
    down: list[Outcome] = []
    for name, definition in sorted(desired.environments.items()):
        if (name, "") in skip:
            continue
        try:
            platform = context.platform(name, definition)
            platform.start()
            live |= {(name, model.model): model for model in platform.observe()}
            platforms[name] = platform
        except BigheadError as error:
            down.append(Outcome(environment=name, model="", state="failed", detail=str(error)))
    return platforms, live, down


def _model(platform: Platform, model: DesiredModel, live: dict[tuple[str, str], LiveModel]) -> _Model:
    found = live.get((model.environment, model.model))
    variants = {v.name: v for v in found.variants} if found else {}
    return _Model(platform, model, variants, found.since if found else None)


def _tasks(models: Iterable[M], action: Callable[[M], Outcome]) -> dict[Place, Callable[[], Outcome]]:
    """The action for each model."""
    places = {(model.environment, model.model): model for model in models}
    return {place: _contained(place, partial(action, model)) for place, model in places.items()}


def _contained(place: Place, action: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """The action, whose failure stays with its model."""

    def run() -> Outcome:
        try:
            return action()
        except BigheadError as error:
            return Outcome(environment=place[0], model=place[1], state="failed", detail=str(error))

    return run


def _start(context: Context, model: _Model, progress: Progress) -> Outcome:
    """Start what is not ready; once all that get traffic are, move it."""
    waiting = _bring_up(context, model, progress)
    if any(variant.weight for variant in waiting):
        return model.outcome("starting", ", ".join(variant.name for variant in waiting))
    return _move_traffic(model, progress)


def _route(context: Context, model: _Model, progress: Progress) -> Outcome:
    """Everything that gets traffic is ready: the weights, an end to what is not wanted, and then the standby."""
    moved = not model.routed or model.unwanted
    outcome = _move_traffic(model, progress) if moved else model.outcome("in step")
    waiting = _bring_up(context, model, progress)
    if waiting and not moved:
        return model.outcome("starting", ", ".join(variant.name for variant in waiting))
    return outcome


def _drifted(models: Iterable[_Model]) -> tuple[list[Outcome], list[_Model]]:
    """Of models whose variants and weights are in step: what to say of them, and those that differ in the rest."""
    said, drifted = [], []
    for model in models:
        try:
            if model.platform.drift(model.model):
                drifted.append(model)
            else:
                said.append(model.outcome("in step"))
        except BigheadError as error:
            said.append(model.outcome("failed", str(error)))
    return said, drifted


def _mend(model: _Model, progress: Progress) -> Outcome:
    """Put back what somebody changed by hand."""
    changed = "; ".join(model.platform.drift(model.model))
    model.platform.mend(model.model)
    progress(f"{model.where}: put back: {changed}")
    return model.outcome("changed", f"put back: {changed}")


def _bring_up(context: Context, model: _Model, progress: Progress) -> list[DesiredVariant]:
    """Start what is not ready; return what is not ready even now."""
    waiting = []
    for variant in model.missing:
        record = context.records.by_run(variant.run)
        if record is None:
            raise InputError(f"{variant.name} cannot start: its record {variant.run} is gone")
        if variant.name not in model.live or model.live[variant.name].state == "dead":
            ensure_materialized(context, record.features, progress)
            progress(f"{model.where}: starting {variant.name}, golden rows before traffic")
        known = variant.model_copy(update={"serving": record.serving})
        if not model.platform.ensure_variant(known):
            waiting.append(variant)
    return waiting


def _move_traffic(model: _Model, progress: Progress) -> Outcome:
    """The weights, then an end to what main does not name."""
    served = [variant for variant in model.desired.variants if variant.weight]
    model.platform.route(model.desired.model_copy(update={"variants": served}))
    split = ", ".join(f"{variant} {weight} %" for variant, weight in model.traffic.items())
    progress(f"{model.where}: {split}")
    removed = model.platform.remove_variants(model.desired.model, [v.name for v in model.desired.variants])
    if removed:
        progress(f"{model.where}: stopped {', '.join(removed)}")
    return model.outcome("changed", split)


def _stop(platform: Platform, desired: Desired, model: LiveModel, progress: Progress) -> Outcome:
    """End a model that runs but that no release names any more."""
    environment, name = model.environment, model.model
    platform.route(DesiredModel(environment=environment, model=name, commit=desired.commit, variants=[]))
    platform.remove_variants(name, [])
    progress(f"{environment}/{name}: no release, stopped")
    return Outcome(environment=environment, model=name, state="changed", detail="no release: stopped")


def _stop_environment(environment: str, platform: Platform, progress: Progress) -> Outcome:
    """End all that runs in an environment that main does not name."""
    platform.stop()
    progress(f"{environment}: main names no such environment, stopped")
    return Outcome(environment=environment, model="", state="changed", detail="no such environment: stopped")


def project_aliases(context: Context, branch: str = "main") -> None:
    """Show in the registry what each environment serves; a projection of git, never read back."""
    main = context.main(branch)
    desired, tree = main.desired, main.tree
    places = {place_of(path) for path in tree.files() if path.startswith("models/")}
    models = {model for _, model in desired.releases} | {place.name for place in places if place is not None}
    for model in sorted(models):
        for environment in sorted(desired.environments):
            if (environment, model) not in desired.stuck:
                release = desired.release(environment, model)
                context.records.project_alias(model, environment, release.stable.run if release else None)
