"""A platform in memory: it does to dictionaries what the local one does to processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bighead_ci.documents.definition import EnvironmentDefinition
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel, LiveVariant
from bighead_ci.errors import BugError, InputError
from bighead_ci.ports.clock import Clock

ALL = 100


class MemoryPlatform:
    """`Platform` without processes. `calls` has every change in order, for tests of what happens before what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.started: dict[str, EnvironmentDefinition] = {}
        self.variants: dict[str, dict[str, LiveVariant]] = {}
        self.models: dict[tuple[str, str], str] = {}
        self.weights: dict[tuple[str, str], dict[str, int]] = {}
        self.since: dict[tuple[str, str], datetime] = {}
        self.refusals: dict[str, str] = {}
        """Artifact digest → why a variant with it refuses to serve."""
        self.slow: set[str] = set()
        """Artifact digests whose variants go on starting."""
        self.calls: list[str] = []
        self._pids = 1000

    def start(self, environment: str, definition: EnvironmentDefinition) -> None:
        """Remember that the router is up."""
        self.started[environment] = definition

    def ensure_variant(self, environment: str, variant: DesiredVariant, wait_seconds: float = 0.0) -> bool:  # noqa: ARG002  # nothing here takes time
        """Run the variant, unless its artifact is among the refusing ones; the slow ones are not ready yet."""
        if variant.artifact in self.refusals:
            raise InputError(f"{variant.name} refuses to serve: {self.refusals[variant.artifact]}")
        running = self.variants.setdefault(environment, {})
        found = running.get(variant.name)
        slow = variant.artifact in self.slow
        if found is not None and found.image == variant.image and found.state != "dead":
            running[variant.name] = found.model_copy(update={"state": "starting" if slow else "ready"})
            return not slow
        self._pids += 1
        self.models[environment, variant.name] = variant.model
        self.calls.append(f"ensure {variant.name}")
        running[variant.name] = LiveVariant(
            name=variant.name,
            version=variant.version,
            image=variant.image,
            artifact=variant.artifact,
            state="starting" if slow else "ready",
            weight=0,
            pid=self._pids,
            port=self._pids,
        )
        return not slow

    def route(self, desired: DesiredModel) -> None:
        """Put the weights in force."""
        weights = {variant.name: variant.weight for variant in desired.variants}
        if weights and sum(weights.values()) != ALL:
            raise BugError(f"the weights of {desired.model} do not add up to 100: {weights}")
        if missing := weights.keys() - self.variants.get(desired.environment, {}).keys():
            raise BugError(f"no traffic can go to {', '.join(sorted(missing))}: not started (ensure_variant)")
        self.calls.append(f"route {desired.model} {weights}")
        place = (desired.environment, desired.model)
        before = self.weights.pop(place, {})
        since = self.since.pop(place, None)
        if weights:
            self.weights[place] = weights
            same = _with_traffic(before) == _with_traffic(weights)
            self.since[place] = since if since is not None and same else self._clock.now()

    def remove_variants(self, environment: str, model: str, keep: Sequence[str]) -> list[str]:
        """Stop the model's variants not named in `keep`."""
        running = self.variants.get(environment, {})
        removed = sorted(n for n in running if self.models[environment, n] == model and n not in keep)
        for name in removed:
            self.calls.append(f"remove {name}")
            del running[name]
        return removed

    def observe(self, environment: str) -> list[LiveModel]:
        """What runs now."""
        names: dict[str, list[str]] = {m: [] for e, m in self.weights if e == environment}
        for name in sorted(self.variants.get(environment, {})):
            names.setdefault(self.models[environment, name], []).append(name)
        return [
            LiveModel(
                environment=environment,
                model=model,
                url=f"memory://{environment}/{model}",
                since=self.since.get((environment, model)),
                variants=[self._live(environment, model, name) for name in variants],
            )
            for model, variants in sorted(names.items())
        ]

    def ended(self, environment: str) -> list[str]:
        """Variants that were killed."""
        return sorted(name for name, live in self.variants.get(environment, {}).items() if live.state == "dead")

    def stop(self, environment: str) -> None:
        """Stop everything in the environment."""
        self.started.pop(environment, None)
        self.variants.pop(environment, None)
        for place in [place for place in self.weights if place[0] == environment]:
            del self.weights[place]
            del self.since[place]

    def kill(self, environment: str, name: str) -> None:
        """A variant's process dies."""
        running = self.variants[environment]
        running[name] = running[name].model_copy(
            update={"state": "dead", "pid": None, "port": None, "reason": "killed"}
        )

    def _live(self, environment: str, model: str, name: str) -> LiveVariant:
        weight = self.weights.get((environment, model), {}).get(name, 0)
        return self.variants[environment][name].model_copy(update={"weight": weight})


def _with_traffic(weights: dict[str, int]) -> dict[str, int]:
    return {name: weight for name, weight in weights.items() if weight}
