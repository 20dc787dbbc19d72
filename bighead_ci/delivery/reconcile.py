"""Brings every environment to what main says. Level-triggered: it compares and acts, whatever happened before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from bighead_ci.definitions.files import place_of
from bighead_ci.delivery.context import Context, Progress
from bighead_ci.delivery.desired import Desired, desired_models, read_desired
from bighead_ci.delivery.materialize import ensure_materialized
from bighead_ci.delivery.standby import standby
from bighead_ci.documents.base import Document
from bighead_ci.documents.live import DesiredModel
from bighead_ci.errors import BigheadError

READY_SECONDS = 90.0
"""How long a variant may take from start to ready."""


class Outcome(Document):
    """What reconciling did for one model in one environment."""

    environment: str
    model: str
    state: Literal["in step", "changed", "failed"]
    detail: str


class Reconciliation(Document):
    """One pass over all environments."""

    commit: str
    outcomes: list[Outcome]

    @property
    def failed(self) -> bool:
        """Whether some model could not be brought to what main says."""
        return any(outcome.state == "failed" for outcome in self.outcomes)


def reconcile(context: Context, progress: Progress, branch: str = "main") -> Reconciliation:
    """Start what is missing, wait until it is ready, move the traffic, then stop what is not wanted.

    A variant that refuses to serve (a corrupted artifact, a golden mismatch) fails its own model only, whose traffic
    then stays as it was.
    """
    commit = context.repository.resolve(branch)
    desired = read_desired(context.repository.tree(commit), commit)
    for name, environment in sorted(desired.environments.items()):
        if environment.platform == "local":
            context.platform.start(name, environment)
    models = desired_models(desired)
    with ThreadPoolExecutor(max_workers=max(1, len(models))) as pool:
        outcomes = list(pool.map(lambda model: _contained(context, desired, model, progress), models))
    outcomes += _remove_unreleased(context, desired, progress)
    return Reconciliation(commit=commit, outcomes=outcomes)


def _contained(context: Context, desired: Desired, model: DesiredModel, progress: Progress) -> Outcome:
    try:
        return _reconcile_model(context, desired, model, progress)
    except BigheadError as error:
        progress(f"{model.environment}/{model.model}: {error}")
        return Outcome(environment=model.environment, model=model.model, state="failed", detail=str(error))


def _reconcile_model(context: Context, desired: Desired, model: DesiredModel, progress: Progress) -> Outcome:
    where = f"{model.environment}/{model.model}"
    live = {
        v.name: v for m in context.platform.observe(model.environment) if m.model == model.model for v in m.variants
    }
    wanted = {variant.name: variant.weight for variant in model.variants}
    warm = standby(context, desired, model.environment, model.model)
    ready = {name: v.weight for name, v in live.items() if v.state == "ready" and name not in warm}
    if ready == wanted and not live.keys() - wanted.keys() - set(warm):
        return Outcome(environment=model.environment, model=model.model, state="in step", detail="")
    for variant in model.variants:
        if variant.name not in live or live[variant.name].state != "ready":
            record = context.records.by_artifact(variant.artifact)
            ensure_materialized(context, record.features if record else [], progress)
            progress(f"{where}: starting {variant.name}, golden rows before traffic")
            context.platform.ensure_variant(model.environment, variant, READY_SECONDS)
    if {name: v.weight for name, v in live.items() if v.weight} != {name: w for name, w in wanted.items() if w}:
        context.telemetry.mark(model.environment, model.model)
    context.platform.route(model)
    split = ", ".join(f"{name} {weight} %" for name, weight in wanted.items())
    progress(f"{where}: {split}")
    removed = context.platform.remove_variants(model.environment, model.model, [*wanted, *warm])
    if removed:
        progress(f"{where}: stopped {', '.join(removed)}")
    return Outcome(environment=model.environment, model=model.model, state="changed", detail=split)


def _remove_unreleased(context: Context, desired: Desired, progress: Progress) -> list[Outcome]:
    """Stop models that run but that no release names any more."""
    outcomes = []
    for environment in sorted(desired.environments):
        for live in context.platform.observe(environment):
            if (environment, live.model) not in desired.releases and live.variants:
                empty = DesiredModel(environment=environment, model=live.model, commit=desired.commit, variants=[])
                context.platform.route(empty)
                context.platform.remove_variants(environment, live.model, [])
                progress(f"{environment}/{live.model}: no release, stopped")
                outcomes.append(
                    Outcome(environment=environment, model=live.model, state="changed", detail="no release: stopped")
                )
    return outcomes


def project_aliases(context: Context, branch: str = "main") -> None:
    """Show in the registry what each environment serves; a projection of git, never read back."""
    commit = context.repository.resolve(branch)
    tree = context.repository.tree(commit)
    desired = read_desired(tree, commit)
    places = {place_of(path) for path in tree.files() if path.startswith("models/")}
    models = {model for _, model in desired.releases} | {place.name for place in places if place is not None}
    for model in sorted(models):
        for environment in sorted(desired.environments):
            release = desired.release(environment, model)
            context.records.project_alias(model, environment, release.stable.run if release else None)
