"""An environment on a cluster, brought to what main has rendered of its releases.

`<state>/<environment>/` keeps what a cluster does not tell: `kubernetes.json` (the environment's definition, for
whoever stops it once main does not name it any more), `seen/` (since when weights are in force), `samples/<model>/`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from bighead_ci.documents import labels
from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel
from bighead_ci.documents.release import ALL, PlacedRelease, rendered_directory
from bighead_ci.errors import BugError, InputError, RetryError
from bighead_ci.manifests.environment import FILE, environment_file
from bighead_ci.platforms.kubernetes import drift
from bighead_ci.platforms.kubernetes.api import DEPLOYMENT, HTTP_ROUTE, NAMESPACE, OWNED, POD, Cluster, Json, Kind
from bighead_ci.platforms.kubernetes.committed import Committed, describe, name_of, read_committed, variant_of
from bighead_ci.platforms.kubernetes.controllers import Controller
from bighead_ci.platforms.kubernetes.observed import Observed
from bighead_ci.platforms.kubernetes.route import farewell, introduction, weights
from bighead_ci.platforms.kubernetes.seen import SeenWeights
from bighead_ci.platforms.samples import Counters, Sample, SampleSeries
from bighead_ci.platforms.scrape import read_page
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.platform import DefinitionOf

IN_FORCE_SECONDS = 10.0
"""How long weights may take to be in force once they are applied."""
CONTROLLER_SECONDS = 30.0
"""How long a controller that was asked to look may take; a later pass waits on."""
POLL_SECONDS = 0.1
KNOWN_SECONDS = 1.0
"""How long a gateway's proxies get to hear of what its controller has taken over: nobody says when they have."""
THREADS = 8
DEFINITION = "kubernetes.json"


class KubernetesPlatform:
    """Runs, or watches, one environment on a cluster.

    Args:
        environment: its name.
        definition: what `environment.yaml` says.
        state: directory of everything that is kept of all environments.
        cluster: where it runs.
        committed: main's rendered files of a model there, as they are now: name → content.
        renderer: what a release is rendered to.
        clock: when samples are taken.
    """

    def __init__(
        self,
        environment: str,
        definition: KubernetesEnvironment,
        *,
        state: Path,
        cluster: Cluster,
        committed: Callable[[str], Mapping[str, bytes]],
        renderer: Callable[[PlacedRelease, DefinitionOf], Mapping[str, bytes]],
        clock: Clock,
    ) -> None:
        self.environment = environment
        self.definition = definition
        self._directory = state.resolve() / environment
        self._cluster = cluster
        self._files = committed
        self._renderer = renderer
        self._clock = clock
        self._seen = SeenWeights(self._directory / "seen")
        by = definition.applied_by
        self._controller = None if by == "reconcile" else Controller(by, environment, cluster)
        self._clean: dict[tuple[Kind, str], tuple[str, Json]] = {}
        """Objects that did not differ when they were last compared: (version of the object, what main said)."""

    def render(self, release: PlacedRelease, definition_of: DefinitionOf) -> Mapping[str, bytes]:
        """Manifests."""
        return self._renderer(release, definition_of)

    def render_environment(self) -> Mapping[str, bytes]:
        """The namespace, its admission policy, and who applies what is rendered."""
        return {FILE: environment_file(self.environment, self.definition)}

    def start(self) -> None:
        """See that the cluster answers and has the namespace; the Gateway is the cluster's own.

        Raises:
            InputError: there is no such namespace, or we may not ask for it.
            RetryError: the cluster does not answer.
        """
        namespace = self.definition.namespace
        if self._cluster.get(NAMESPACE, None, namespace) is None:
            apply = f"kubectl apply -f environments/{self.environment}/rendered/environment.yaml"
            raise InputError(f"{self.environment}: the cluster has no namespace {namespace}; once, by hand: {apply}")
        if not self.in_use():
            self.definition.write(self._directory / DEFINITION)

    def ensure_variant(self, variant: DesiredVariant, wait_seconds: float = 0.0) -> bool:
        """Apply what main has rendered of a variant, and return whether it is ready."""
        committed = self._committed(variant.model)
        objects = committed.of_variant(variant.name)
        if not any(Kind.of(one) == DEPLOYMENT for one in objects):
            raise RetryError(f"main has rendered no Deployment {variant.name}: it has moved on, or lacks its files")
        if self._controller is None:
            self._apply([*committed.shared, *objects])
        deadline = time.monotonic() + wait_seconds
        while not self._ready(variant):
            if self._controller is not None:
                self._controller.ask(variant.name, self._clock.now())
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def route(self, desired: DesiredModel) -> None:
        """Put the weights in force, as far as the Gateway's status tells, and return when they are."""
        wanted = {variant.name: variant.weight for variant in desired.variants if variant.weight}
        if not desired.variants:
            self._take_traffic(desired.model)
            return
        if sum(wanted.values()) != ALL:
            raise BugError(f"the weights of {desired.model} do not add up to 100: {wanted}")
        committed = self._committed(desired.model)
        missing = wanted.keys() - self._observe(desired.model).names(desired.model)
        if missing:
            raise BugError(f"no traffic can go to {', '.join(sorted(missing))}: not started (ensure_variant)")
        said = weights(committed.route) if committed.route else {}
        if committed.route is None or said != wanted:
            raise RetryError(f"main's HTTPRoute of {desired.model} says {said} and not {wanted}: it has moved on")
        if self._controller is None:
            # All that the route names has to be there, or the Gateway takes none of it: the standby's Service, too.
            self._apply([one for one in committed.objects if one is not committed.route])
            self._change_route(desired.model, committed.route)
        gateway = self.definition.gateway
        self._await(desired.model, f"{wanted}", lambda now: now.weights(desired.model, gateway) == wanted)
        if self._seen.of(desired.model, wanted) is None:
            first = self.sample(desired.model, first=True)
            self._seen.note(desired.model, wanted, first.at)

    def remove_variants(self, model: str, keep: Sequence[str]) -> list[str]:
        """Delete what main does not name of a model any more; the cluster drains its pods, as their files say."""
        gone = [one for one in self._owned(model) if variant_of(one) not in {None, *keep}]
        removed = sorted(name_of(one) for one in gone if Kind.of(one) == DEPLOYMENT)
        if self._controller is None:
            if gone and keep:
                self._apply_unmoved(model)
                time.sleep(KNOWN_SECONDS)  # a proxy may still send requests where the route said a moment ago
            stale = self._stale(model) if keep else [one for one in self._owned(model) if variant_of(one) is None]
            for one in {(Kind.of(o), name_of(o)): o for o in [*gone, *stale]}.values():
                self._cluster.delete(Kind.of(one), self.definition.namespace, name_of(one))
        elif removed:
            self._await(model, f"no {removed}", lambda now: not set(removed) & set(now.names(model)))
        return removed

    def observe(self) -> list[LiveModel]:
        """What the cluster has with the environment's label, and the weights that the Gateway has taken over."""
        found = self._observe()
        gateway = self.definition.gateway
        models = []
        for model in found.models:
            seen = self._seen.of(model, found.weights(model, gateway))
            models.append(
                LiveModel(
                    environment=self.environment,
                    model=model,
                    url=f"http://{gateway.host}/{model}",
                    since=seen.since if seen else None,
                    before=seen.before if seen else None,
                    variants=found.variants(model, gateway),
                )
            )
        return models

    def drift(self, model: str) -> list[str]:
        """What is other than main's files say, by a dry run: so the defaults that the server fills in are no drift."""
        committed = self._committed(model)
        owned = {(Kind.of(one), name_of(one)): one for one in self._owned(model)}
        found = []
        for one in committed.objects:
            live = owned.get((Kind.of(one), name_of(one)))
            found += [f"{describe(one)} is missing"] if live is None else self._changes(live, one)
        return found + [f"{describe(one)} is not in main" for one in self._stale(model, list(owned.values()))]

    def mend(self, model: str) -> None:
        """Apply, or have the controller apply, all that main has of a model, and delete what it has not.

        A route whose weights are not those in force is left to `route`: main has moved on.
        """
        if self._controller is None:
            self._apply_unmoved(model)
            for one in self._stale(model):
                self._cluster.delete(Kind.of(one), self.definition.namespace, name_of(one))
        else:
            self._await(model, "mended", lambda _: not self.drift(model))

    def ended(self) -> list[str]:
        """None: the cluster itself starts what ended."""
        return []

    def in_use(self) -> bool:
        """Whether the environment was started from here and not stopped since."""
        return (self._directory / DEFINITION).exists()

    def stop(self) -> None:
        """Delete all that the environment has, unless a controller does: it prunes what git does not have."""
        if self.in_use() and self._controller is None:
            for kind in OWNED:
                for one in self._cluster.objects(kind, self.definition.namespace, self._labels()):
                    self._cluster.delete(kind, self.definition.namespace, name_of(one))
        shutil.rmtree(self._directory, ignore_errors=True)

    def sample(self, model: str, *, first: bool = False) -> Sample:
        """Take a sample of what every pod of a model counted, and keep it; one that does not answer is left out."""
        at = self._clock.now()
        pods = [pod for pod in self._observe(model).pods if pod.get("status", {}).get("phase") == "Running"]
        with ThreadPoolExecutor(max_workers=THREADS) as pool:
            counters = list(pool.map(self._scrape, pods))
        found = {f"{variant_of(pod)}/{name_of(pod)}": c for pod, c in zip(pods, counters, strict=True) if c is not None}
        sample = Sample(at=at, first=first, router=Counters(run="", values={}), variants=found)
        self.samples(model).append(sample)
        return sample

    def samples(self, model: str) -> SampleSeries:
        """The samples taken of a model."""
        return SampleSeries(self._directory / "samples" / model)

    def _scrape(self, pod: Json) -> Counters | None:
        with suppress(RetryError):
            page = self._cluster.page(self.definition.namespace, name_of(pod), _port(pod), "/metrics")
            restarts = sum(one.get("restartCount", 0) for one in pod["status"].get("containerStatuses", []))
            return Counters(run=f"{pod['metadata']['uid']}:{restarts}", values=read_page(page))
        return None

    def _ready(self, variant: DesiredVariant) -> bool:
        found = self._observe(variant.model).health(variant.name)
        if found is None or found.state == "ready":
            return found is not None
        if found.refused:
            raise InputError(f"{variant.name} refuses to serve: {found.reason}")
        if found.state == "dead" or found.stuck:
            raise RetryError(f"{variant.name} does not start: {found.reason or 'its deadline of progress has passed'}")
        return False

    def _change_route(self, model: str, said: Json) -> None:
        """The gateway hears of services before they get traffic, and forgets others after they had any."""
        gateway = self.definition.gateway
        for between in (introduction, farewell):
            live = self._observe(model).routes
            step = between(live[0], said) if len(live) == 1 else None
            if step is not None:
                self._apply([step])
                # Any weights will do: another of us may be further on.
                self._await(model, between.__name__, lambda now: bool(now.weights(model, gateway)))
                time.sleep(KNOWN_SECONDS)
        self._apply([said])

    def _take_traffic(self, model: str) -> None:
        """No release names the model any more."""
        if self._controller is None:
            for one in self._observe(model).routes:
                self._cluster.delete(HTTP_ROUTE, self.definition.namespace, name_of(one))
        else:
            self._await(model, "no route", lambda now: not now.routes)
        self._seen.forget(model)
        self.samples(model).forget()

    def _await(self, model: str, what: str, done: Callable[[Observed], bool]) -> None:
        """Wait until the cluster is as it should be, and ask the controller for it.

        Raises:
            RetryError: it takes long; says what whoever should bring it about says.
        """
        if done(found := self._observe(model)):
            return
        seconds = IN_FORCE_SECONDS if self._controller is None else CONTROLLER_SECONDS
        deadline = time.monotonic() + seconds
        while not done(found):
            if self._controller is not None:
                self._controller.ask(what, self._clock.now())
            if time.monotonic() >= deadline:
                why = found.why_not_in_force(model, self.definition.gateway)
                said = f"{self._controller.says()}; {why}" if self._controller else why
                raise RetryError(f"{self.environment}/{model} is not as main says after {seconds:.0f} s: {said}")
            time.sleep(POLL_SECONDS)
            found = self._observe(model)

    def _changes(self, live: Json, said: Json) -> list[str]:
        key, version = (Kind.of(said), name_of(said)), live["metadata"]["resourceVersion"]
        if self._clean.get(key) == (version, said):
            return []
        found = drift.changes(live, self._cluster.apply(said, self.definition.namespace, dry_run=True))
        if not found:
            self._clean[key] = (version, said)
        return found

    def _apply_unmoved(self, model: str) -> None:
        """All that main has of a model, but for a route that would move traffic."""
        committed = self._committed(model)
        routes = self._observe(model).routes
        unmoved = committed.route is not None and [weights(one) for one in routes] == [weights(committed.route)]
        self._apply([one for one in committed.objects if unmoved or one is not committed.route])

    def _apply(self, objects: Sequence[Json]) -> None:
        for one in objects:
            self._cluster.apply(one, self.definition.namespace)

    def _committed(self, model: str) -> Committed:
        return read_committed(self._files(model), rendered_directory(self.environment, model))

    def _observe(self, model: str | None = None) -> Observed:
        namespace, wanted = self.definition.namespace, self._labels(model)
        deployments, pods, routes = (
            self._cluster.objects(kind, namespace, wanted) for kind in (DEPLOYMENT, POD, HTTP_ROUTE)
        )
        return Observed(deployments, pods, routes)

    def _owned(self, model: str) -> list[Json]:
        """All that the cluster has of a model."""
        namespace, wanted = self.definition.namespace, self._labels(model)
        return [one for kind in OWNED for one in self._cluster.objects(kind, namespace, wanted)]

    def _stale(self, model: str, owned: Sequence[Json] | None = None) -> list[Json]:
        """What the cluster has of a model and main has not rendered."""
        named = {(Kind.of(one), name_of(one)) for one in self._committed(model).objects}
        found = self._owned(model) if owned is None else owned
        return [one for one in found if (Kind.of(one), name_of(one)) not in named]

    def _labels(self, model: str | None = None) -> str:
        of_model = {labels.MODEL: model} if model else {}
        return labels.selector({labels.ENVIRONMENT: self.environment, **of_model})


def _port(pod: Json) -> int:
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]
    named = next((port["containerPort"] for port in ports if port.get("name") == labels.HTTP_PORT), None)
    if named is None:
        raise InputError(f"pod {name_of(pod)} has no port called {labels.HTTP_PORT}")
    return int(named)
