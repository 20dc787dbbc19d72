"""An environment on this machine: a process or container a variant, an Envoy, files for what must outlive all of them.

`<state>/<environment>/`: `lock`, `router/` (see `envoy`), `samples/<model>/` (see `samples`), `variants/<name>/` with
`variant.json` (what the variant was told), `restarts.json`, `silence.json` (probes that were not answered), `log.txt`,
what it says of itself: `process.json` (where it listens), `refusal.txt` (why it will not), `replace.json` (why another
should take its place), and what its runtime keeps: see `processes` and `containers`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bighead_ci.documents.definition import memory_bytes
from bighead_ci.documents.environment import Router
from bighead_ci.documents.live import (
    DesiredModel,
    DesiredVariant,
    LiveModel,
    LiveVariant,
    ServingProcess,
    VariantConfig,
)
from bighead_ci.documents.release import ALL, PlacedRelease
from bighead_ci.errors import BugError, RetryError
from bighead_ci.platforms.envoy import EnvoyRouter
from bighead_ci.platforms.envoy_config import Share, Split
from bighead_ci.platforms.lock import EnvironmentLock
from bighead_ci.platforms.restarts import pause
from bighead_ci.platforms.runtime import Runtime
from bighead_ci.platforms.samples import Sample, SampleSeries
from bighead_ci.platforms.scrape import scrape_processes, scrape_router
from bighead_ci.platforms.variant import STOP_SECONDS, RunningVariant
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.platform import DefinitionOf

DRAIN_SECONDS = 15.0
"""How long a variant without traffic may take to answer what it still has."""
SCRAPES = 3
"""How often a process that lives is asked: one that tells nothing of itself fails its canary."""


class LocalPlatform:
    """Runs one environment on this machine.

    Args:
        environment: its name.
        state: directory of everything that is kept of all environments.
        router: where callers should reach it; None: whoever only observes or stops it.
        runtime: what the variant of a directory runs in.
        artifact: a local directory with the artifact of a digest.
        online_store: where serving processes find features.
        predictions: root of the prediction log.
        clock: when samples are taken.
        clock_offset_seconds: the workspace's time against the machine's.
    """

    def __init__(
        self,
        environment: str,
        state: Path,
        *,
        router: Router | None,
        runtime: Callable[[Path], Runtime],
        artifact: Callable[[str], Path],
        online_store: Path,
        predictions: Path,
        clock: Clock,
        clock_offset_seconds: float = 0.0,
    ) -> None:
        self.environment = environment
        self.router_settings = router
        self.directory = state.resolve() / environment
        self.router = EnvoyRouter(environment, self.directory / "router")
        self._runtime = runtime
        self._artifact = artifact
        self._online_store = online_store.resolve()
        self._predictions = predictions.resolve()
        self._clock = clock
        self._clock_offset_seconds = clock_offset_seconds
        self._samples: dict[str, SampleSeries] = {}
        self._lock = EnvironmentLock(self.directory / "lock")

    def render(self, release: PlacedRelease, definition_of: DefinitionOf) -> Mapping[str, bytes]:  # noqa: ARG002  # the port's; nothing to apply
        """Nothing: the engine brings releases into force here."""
        return {}

    def render_environment(self) -> Mapping[str, bytes]:
        """Nothing, likewise."""
        return {}

    def start(self) -> None:
        """Bring the environment's router up if it is not."""
        if self.router_settings is None:
            raise BugError(f"nobody said where callers should reach {self.environment}")
        if self.router.running_at(self.router_settings):
            return
        with self._lock.held():
            self.router.start(self.router_settings)

    def ensure_variant(self, variant: DesiredVariant, wait_seconds: float = 0.0) -> bool:
        """Start the variant at no traffic unless it runs; return whether it is ready."""
        running = self._variant(variant.name)
        with self._lock.held():
            config = self._config(variant)
            self._bring_up(running, config)
            listening = running.await_ready(wait_seconds)
            if listening is None:
                return False
            self.router.place(variant.name, config.host, listening.port)
            if running.leaves():
                self.router.await_place(variant.name, listening.port)
                running.dismiss(DRAIN_SECONDS)
            return True

    def route(self, desired: DesiredModel) -> None:
        """Put the weights in force at the router, and return when they are."""
        shares = [Share(variant=variant.name, weight=variant.weight) for variant in desired.variants]
        if shares and sum(share.weight for share in shares) != ALL:
            raise BugError(f"the weights of {desired.model} do not add up to 100: {shares}")
        router = self.router
        with self._lock.held():
            missing = {share.variant for share in shares} - set(router.variants())
            if missing:
                raise BugError(f"no traffic can go to {', '.join(sorted(missing))}: not started (ensure_variant)")
            router.split(Split(model=desired.model, shares=shares) if shares else None, desired.model)
            if not shares:
                self.samples(desired.model).forget()
            elif router.splits()[desired.model].since is None:
                first = self.sample(desired.model, first=True)
                router.seen_in_force(desired.model, first.at)

    def remove_variants(self, model: str, keep: Sequence[str]) -> list[str]:
        """Drain and stop the model's variants not named in `keep`; return the names stopped."""
        removed = []
        with self._lock.held():
            for name in self._names():
                variant = self._variant(name)
                config = variant.config()
                if config is None or config.model != model or name in keep:
                    continue
                self._drain(name)
                variant.dismiss(DRAIN_SECONDS)
                variant.stop(DRAIN_SECONDS)
                self.router.forget(name)
                variant.discard()
                removed.append(name)
        return removed

    def observe(self) -> list[LiveModel]:
        """What runs now, and the weights in force, read from the router and the processes themselves."""
        router = self.router
        address = router.address
        try:
            weights = router.weights() if address is not None else {}
        except RetryError:
            weights = {}
        in_force = {m: split for m, split in router.splits().items() if split.weights == weights.get(m)}
        found: dict[str, list[LiveVariant]] = {model: [] for model in weights}
        with ThreadPoolExecutor(max_workers=8) as pool:
            for config, live in pool.map(lambda name: self._variant(name).observe(), self._names()):
                if config is not None and live is not None:
                    reached = live.state != "ready" or router.port_of(live.name) == live.port
                    state = live.state if reached else "starting"
                    weight = weights.get(config.model, {}).get(live.name, 0)
                    seen = live.model_copy(update={"state": state, "weight": weight})
                    found.setdefault(config.model, []).append(seen)
        base = f"http://{address.host}:{address.port}" if address else ""
        return [
            LiveModel(
                environment=self.environment,
                model=model,
                url=f"{base}/{model}",
                since=in_force[model].since if model in in_force else None,
                before=in_force[model].before if model in in_force else None,
                variants=variants,
            )
            for model, variants in sorted(found.items())
        ]

    def drift(self, model: str) -> list[str]:  # noqa: ARG002  # the port's; nothing is rendered
        """Nothing: all that there is of a model is observed."""
        return []

    def mend(self, model: str) -> None:
        """Nothing differs."""

    def ended(self) -> list[str]:
        """Names of variants that have ended by themselves or ask to be replaced, and the router's."""
        variants = map(self._variant, self._names())
        names = [variant.name for variant in variants if variant.ended() or variant.wish()]
        return names + (["router"] if self.router.ended() else [])

    def in_use(self) -> bool:
        """Whether anything was started in the environment and not stopped since."""
        return (self.directory / "router").exists() or bool(self._names())

    def stop(self) -> None:
        """Stop everything in the environment; predictions and logs stay."""
        with self._lock.held():
            self.router.stop()
            with ThreadPoolExecutor(max_workers=8) as pool:
                variants = [self._variant(name) for name in self._names()]
                list(pool.map(lambda variant: variant.dismiss(DRAIN_SECONDS), variants))
                list(pool.map(lambda variant: variant.stop(DRAIN_SECONDS), variants))
            for variant in variants:
                variant.discard()
            for made in ("router", "samples"):
                shutil.rmtree(self.directory / made, ignore_errors=True)

    def sample(self, model: str, *, first: bool = False) -> Sample:
        """Take a sample of all that is counted about a model, and keep it.

        Args:
            model: Which model.
            first: It is the first since the weights changed. The traffic then does not wait for a slow process.

        Raises:
            RetryError: the router does not answer.
        """
        at = self._clock.now()
        names = [name for name, config in self.configs().items() if config.model == model]
        serving = {name: found for name in names if (found := self.serving(name)) is not None}
        sample = Sample(
            at=at,
            first=first,
            router=scrape_router(self.router, names),
            variants=scrape_processes(serving, 1 if first else SCRAPES),
        )
        self.samples(model).append(sample)
        return sample

    def samples(self, model: str) -> SampleSeries:
        """The samples taken of a model."""
        return self._samples.setdefault(model, SampleSeries(self.directory / "samples" / model))

    def configs(self) -> dict[str, VariantConfig]:
        """What each variant was told, by name."""
        read = {name: self._variant(name).config() for name in self._names()}
        return {name: config for name, config in read.items() if config is not None}

    def serving(self, name: str) -> ServingProcess | None:
        """Where a variant listens, if it does."""
        return self._variant(name).answering()

    def _bring_up(self, variant: RunningVariant, config: VariantConfig) -> None:
        """Start it unless it runs as it is told; only then is the image looked at, and verified whole."""
        as_told = variant.config() == config
        fault = variant.fault() if as_told else ""
        if as_told and not fault and (variant.runtime.find() is not None or variant.refused_lately()):
            return
        launch = variant.runtime.prepare(config)
        if fault:
            self._make_way(variant, fault)
        else:
            variant.stop(DRAIN_SECONDS)
        if not as_told:
            variant.dismiss(DRAIN_SECONDS)
        variant.start(config, launch)

    def _make_way(self, variant: RunningVariant, fault: str) -> None:
        """For a successor: one that asks for it answers until then, any other is stopped.

        Raises:
            RetryError: it was started again too often lately; it stays as it is for now.
        """
        restarts = variant.restarts()
        if wait := pause(restarts, time.time()):
            raise RetryError(
                f"{variant.name} was started again {restarts.count} times, the last time because {restarts.reason}; "
                f"now {fault}; it is started again in {wait:.0f} s"
            )
        variant.count_restart(fault)
        if variant.wish():
            variant.set_aside()
        else:
            variant.stop(STOP_SECONDS)

    def _variant(self, name: str) -> RunningVariant:
        directory = self.directory / "variants" / name
        return RunningVariant(directory, self._runtime(directory))

    def _names(self) -> list[str]:
        return sorted(d.name for d in (self.directory / "variants").glob("[!.]*") if d.is_dir())

    def _config(self, variant: DesiredVariant) -> VariantConfig:
        memory = variant.serving.memory
        return VariantConfig(
            environment=self.environment,
            variant=variant.name,
            model=variant.model,
            version=variant.version,
            image=variant.image,
            artifact=variant.artifact,
            artifact_path=self._artifact(variant.artifact).resolve(),
            online_store=self._online_store,
            predictions=self._predictions if variant.serving.log_predictions else None,
            directory=self.directory / "variants" / variant.name,
            clock_offset_seconds=self._clock_offset_seconds,
            max_concurrency=variant.serving.max_concurrency,
            max_batch_rows=variant.serving.max_batch_rows,
            deadline_ms=variant.serving.deadline_ms,
            memory_bytes=memory_bytes(memory) if memory else None,
        )

    def _drain(self, name: str) -> None:
        """Wait until the router has nothing under way at a variant that no route names."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            try:
                counters = self.router.counters([name], ["upstream_rq_active"])
            except RetryError:
                return
            if not counters.get(f"cluster.{name}.upstream_rq_active", 0):
                return
            time.sleep(0.02)
