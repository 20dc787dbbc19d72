"""A platform in memory: it does to dictionaries what the local one does to processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bighead_ci.documents.definition import Serving
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel, LiveVariant
from bighead_ci.documents.release import PlacedRelease
from bighead_ci.errors import BugError, InputError, RetryError
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.platform import DefinitionOf

ALL = 100


class MemoryPlatform:
    """`Platform` of one environment without processes. `calls` has every change in order."""

    def __init__(self, environment: str, clock: Clock) -> None:
        self._environment = environment
        self._clock = clock
        self.started = False
        self.taken = ""
        """Who has the port that callers should reach it at."""
        self.variants: dict[str, LiveVariant] = {}
        self.models: dict[str, str] = {}
        self.weights: dict[str, dict[str, int]] = {}
        self.since: dict[str, datetime] = {}
        self.before: dict[str, datetime] = {}
        self.refusals: dict[str, str] = {}
        """Artifact digest → why a variant with it refuses to serve."""
        self.settings: dict[str, Serving] = {}
        """Variant → how its process was told to answer when it was started."""
        self.slow: set[str] = set()
        """Artifact digests whose variants go on starting."""
        self.drifted: dict[str, list[str]] = {}
        """Model → what somebody changed by hand."""
        self.away = False
        """Whether nobody answers."""
        self.calls: list[str] = []
        self._pids = 1000

    def render(self, release: PlacedRelease, definition_of: DefinitionOf) -> Mapping[str, bytes]:  # noqa: ARG002  # the port's; nothing to apply
        """Nothing."""
        return {}

    def render_environment(self) -> Mapping[str, bytes]:
        """Nothing."""
        return {}

    def start(self) -> None:
        """Remember that the router is up, unless somebody else has its port."""
        if self.taken:
            raise InputError(f"its port is taken by {self.taken}")
        self.started = True

    def ensure_variant(self, variant: DesiredVariant, wait_seconds: float = 0.0) -> bool:  # noqa: ARG002  # nothing here takes time
        """Run the variant, unless its artifact is among the refusing ones; the slow ones are not ready yet."""
        if variant.artifact in self.refusals:
            raise InputError(f"{variant.name} refuses to serve: {self.refusals[variant.artifact]}")
        running = self.variants
        found = running.get(variant.name)
        slow = variant.artifact in self.slow
        if found is not None and found.image == variant.image and found.state != "dead":
            running[variant.name] = found.model_copy(update={"state": "starting" if slow else "ready"})
            return not slow
        self._pids += 1
        self.models[variant.name] = variant.model
        self.settings[variant.name] = variant.serving
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
        if missing := weights.keys() - self.variants.keys():
            raise BugError(f"no traffic can go to {', '.join(sorted(missing))}: not started (ensure_variant)")
        self.calls.append(f"route {desired.model} {weights}")
        before = self.weights.pop(desired.model, {})
        since = self.since.pop(desired.model, None)
        if weights:
            self.weights[desired.model] = weights
            same = _with_traffic(before) == _with_traffic(weights)
            if not same and since is not None:
                self.before[desired.model] = since
            self.since[desired.model] = since if since is not None and same else self._clock.now()
        else:
            self.before.pop(desired.model, None)

    def remove_variants(self, model: str, keep: Sequence[str]) -> list[str]:
        """Stop the model's variants not named in `keep`."""
        running = self.variants
        removed = sorted(n for n in running if self.models[n] == model and n not in keep)
        for name in removed:
            self.calls.append(f"remove {name}")
            del running[name]
        return removed

    def observe(self) -> list[LiveModel]:
        """What runs now."""
        if self.away:
            raise RetryError(f"{self._environment} does not answer")
        names: dict[str, list[str]] = {model: [] for model in self.weights}
        for name in sorted(self.variants):
            names.setdefault(self.models[name], []).append(name)
        return [
            LiveModel(
                environment=self._environment,
                model=model,
                url=f"memory://{self._environment}/{model}",
                since=self.since.get(model),
                before=self.before.get(model),
                variants=[self._live(model, name) for name in variants],
            )
            for model, variants in sorted(names.items())
        ]

    def drift(self, model: str) -> list[str]:
        """What a test says that somebody changed."""
        return list(self.drifted.get(model, []))

    def mend(self, model: str) -> None:
        """Put it back."""
        self.calls.append(f"mend {model}")
        self.drifted.pop(model, None)

    def ended(self) -> list[str]:
        """Variants that were killed."""
        return sorted(name for name, live in self.variants.items() if live.state == "dead")

    def in_use(self) -> bool:
        """Whether it was started and not stopped."""
        return self.started or bool(self.variants)

    def stop(self) -> None:
        """Stop everything in the environment."""
        self.started = False
        for kept in (self.variants, self.weights, self.since, self.before):
            kept.clear()

    def kill(self, name: str) -> None:
        """A variant's process dies."""
        self.variants[name] = self.variants[name].model_copy(
            update={"state": "dead", "pid": None, "port": None, "reason": "killed"}
        )

    def _live(self, model: str, name: str) -> LiveVariant:
        weight = self.weights.get(model, {}).get(name, 0)
        return self.variants[name].model_copy(update={"weight": weight})


class RenderingPlatform(MemoryPlatform):
    """One that also renders: a file a variant and one with the weights, as manifests would be."""

    namespace = "default"
    """Stands for what an environment's definition says."""

    def render(self, release: PlacedRelease, definition_of: DefinitionOf) -> Mapping[str, bytes]:
        """Of this release and its versions' resources, in this namespace."""
        variants = release.release.variants
        cpus = {v.name: definition_of(v.version).definition.resources.serve.cpu for v in variants}
        weights = "".join(f"  {variant.name}: {variant.weight}\n" for variant in variants)
        files = {f"{v.name}.yaml": f"image: {v.image}\nartifact: {v.artifact}\ncpu: {cpus[v.name]}\n" for v in variants}
        files["route.yaml"] = f"namespace: {self.namespace}\nmodel: {release.model}\nweights:\n{weights}"
        return {name: text.encode() for name, text in files.items()}

    def render_environment(self) -> Mapping[str, bytes]:
        """The namespace."""
        return {"environment.yaml": f"namespace: {self.namespace}\n".encode()}


def _with_traffic(weights: dict[str, int]) -> dict[str, int]:
    return {name: weight for name, weight in weights.items() if weight}
