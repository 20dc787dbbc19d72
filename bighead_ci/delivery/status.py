"""Desired against live: what main says, what runs, and every difference."""

from __future__ import annotations

from collections.abc import Mapping

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import desired_models
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.online_sets import StaleSet, stale_sets
from bighead_ci.delivery.workers import Place
from bighead_ci.documents.base import Document
from bighead_ci.documents.live import DesiredModel, LiveModel
from bighead_ci.errors import BigheadError
from bighead_ci.ports.platform import Platform


class ModelStatus(Document):
    """One model in one environment."""

    environment: str
    model: str
    url: str
    desired: DesiredModel | None
    live: LiveModel | None
    differences: list[str]
    """Empty when what runs is what main says."""


class Status(Document):
    """All environments at one commit of main."""

    commit: str
    models: list[ModelStatus]
    stale_sets: list[StaleSet]

    @property
    def in_step(self) -> bool:
        """Whether nothing differs."""
        return not self.stale_sets and not any(model.differences for model in self.models)


class Reasons(Document):
    """Why what differs stays so: what the last try to change it ended with."""

    failed: list[tuple[str, str, str]]
    """Environment, model (empty: the environment as a whole), the error's words."""

    @classmethod
    def of(cls, failed: Mapping[Place, str]) -> Reasons:
        """By place."""
        return cls(failed=[(*place, words) for place, words in sorted(failed.items())])

    def about(self, environment: str, model: str) -> list[str]:
        """Of a model, and of the environment that it is in."""
        return [words for place, of, words in self.failed if place == environment and of in {"", model}]


NO_REASONS = Reasons(failed=[])


def status(context: Context, branch: str = "main", reasons: Reasons = NO_REASONS) -> Status:
    """Compare what main says with what runs, and with what online features are of.

    Args:
        context: Ports.
        branch: What says how things should be.
        reasons: What whoever brings environments to it could not do.
    """
    main = context.main(branch)
    return Status(
        commit=main.commit, models=model_statuses(context, main, reasons), stale_sets=stale_sets(context, main)
    )


def model_statuses(context: Context, main: Main, reasons: Reasons = NO_REASONS) -> list[ModelStatus]:
    """Compare what main says with what the platforms observe; environments that main does not name show up, too."""
    desired = main.desired
    wanted = {(m.environment, m.model): m for m in desired_models(desired)}
    platforms = {name: context.platform(name, one) for name, one in desired.environments.items()}
    platforms |= context.abandoned(desired.named)
    live, silent = _observed(platforms)
    models = []
    for place in sorted(wanted.keys() | live.keys() | desired.unreadable.keys()):
        should, does = wanted.get(place), live.get(place)
        if place in desired.stuck:
            what = "release" if place in desired.unreadable else "environment"
            found = [f"its {what} cannot be read, so it stays as it is: {desired.stuck[place]}"]
        elif place[0] in silent:
            found = [f"its environment does not answer: {silent[place[0]]}"]
        else:
            found = differences(should, does)
            found += _drift(platforms[place[0]], place[1]) if should else []
            found += reasons.about(*place) if found else []
        models.append(
            ModelStatus(
                environment=place[0],
                model=place[1],
                url=does.url if does else "",
                desired=should,
                live=does,
                differences=found,
            )
        )
    return models


def _observed(platforms: Mapping[str, Platform]) -> tuple[dict[Place, LiveModel], dict[str, str]]:
    """What runs, and why some environments do not say what runs in them."""
    live: dict[Place, LiveModel] = {}
    silent: dict[str, str] = {}
    for name, platform in platforms.items():
        try:
            live |= {(name, model.model): model for model in platform.observe()}
        except BigheadError as error:
            silent[name] = str(error)
    return live, silent


def _drift(platform: Platform, model: str) -> list[str]:
    try:
        return platform.drift(model)
    except BigheadError as error:
        return [f"whether anything was changed by hand cannot be told: {error}"]


def differences(desired: DesiredModel | None, live: LiveModel | None) -> list[str]:
    """What differs, in words; pure."""
    wanted = {v.name: v for v in desired.variants} if desired else {}
    running = {v.name: v for v in live.variants} if live else {}
    found = [f"{name} should run and does not" for name in sorted(wanted.keys() - running.keys())]
    found += [f"{name} runs and should not" for name in sorted(running.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & running.keys()):
        variant = running[name]
        if variant.state != "ready":
            found.append(f"{name} is {variant.state}{': ' + variant.reason if variant.reason else ''}")
        if variant.weight != wanted[name].weight:
            found.append(f"{name} gets {variant.weight} % and should get {wanted[name].weight} %")
    return found
