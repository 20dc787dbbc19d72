"""What every platform does: the local one with its processes, a cluster where there is one, and those in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import CanaryPlan, Serving
from bighead_ci.documents.live import DesiredVariant, VariantConfig
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.errors import BugError, InputError
from bighead_ci.ports.platform import Platform
from fakes.cluster_bench import ClusterBench, merging
from fakes.container_bench import ContainerBench
from fakes.docker_bench import why_no_base
from fakes.local_bench import LocalBench, desired, weighted
from fakes.placed_releases import a_version
from fakes.platform import MemoryPlatform, RenderingPlatform
from fakes.waiting import until

READY = 60.0


class Bench:
    """A platform, variants for it, and a way to spoil an artifact."""

    def __init__(
        self, platform: Platform, local: LocalBench | None = None, cluster: ClusterBench | None = None
    ) -> None:
        self.platform = platform
        self.local = local
        self.cluster = cluster

    def variant(self, version: str, model: str = "tiny", **serving: Any) -> DesiredVariant:
        """A variant that can serve."""
        if self.local is not None:
            return self.local.variant(version, model=model, **serving)
        if self.cluster is not None:
            return self.cluster.variant(version, model)
        return DesiredVariant(
            name=f"{model}-{version}",
            model=model,
            version=version,
            image=f"local/{model}@{digest_of('image')}",
            artifact=digest_of([model, version]),
            run="run",
            weight=0,
            serving=Serving(**serving),
        )

    def answers_as(self, variant: DesiredVariant) -> Serving:
        """How the variant's process was told to answer."""
        if self.local is not None:
            config = VariantConfig.read(*self.local.state.rglob(f"{variant.name}/variant.json"))
            return Serving(max_concurrency=config.max_concurrency, log_predictions=config.predictions is not None)
        assert isinstance(self.platform, MemoryPlatform)
        return self.platform.settings[variant.name]

    def spoil(self, variant: DesiredVariant) -> None:
        """From now on the variant's artifact is not what its digest says."""
        if self.local is not None:
            graph = self.local.artifacts[variant.artifact] / "model.onnx"
            graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
        elif self.cluster is not None:
            self.cluster.settings[variant.name]["REFUSE"] = "the artifact is changed or damaged"
            self.cluster.commit(variant.model)
        else:
            assert isinstance(self.platform, MemoryPlatform)
            self.platform.refusals[variant.artifact] = "the artifact is changed or damaged"

    def kill(self, variant: DesiredVariant) -> None:
        """The variant's process dies without warning."""
        if self.local is not None:
            self.local.kill(variant.name)
            until(lambda: self.platform.ended() != [])
        else:
            assert isinstance(self.platform, MemoryPlatform)
            self.platform.kill(variant.name)

    def weights(self, model: str = "tiny") -> dict[str, int]:
        """Weights in force by variant, ready ones only."""
        found = {m.model: m.variants for m in self.platform.observe()}.get(model, [])
        return {v.name: v.weight for v in found if v.state == "ready"}

    def before(self, model: str = "tiny") -> datetime | None:
        """Since when its weights before the present ones were in force, as the platform says it."""
        return next((m.before for m in self.platform.observe() if m.model == model), None)

    def since(self, model: str = "tiny") -> datetime | None:
        """Since when its weights are in force."""
        return next((m.since for m in self.platform.observe() if m.model == model), None)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


E2E = pytest.mark.e2e


@pytest.fixture(
    params=[
        "memory",
        "rendering",
        pytest.param("local", marks=E2E),
        pytest.param("docker", marks=E2E),
        pytest.param("kubernetes", marks=E2E),
    ]
)
def bench(request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        yield Bench(MemoryPlatform("prod", SystemClock()))
        return
    if request.param == "rendering":
        yield Bench(RenderingPlatform("prod", SystemClock()))
        return
    if request.param == "kubernetes":
        cluster = ClusterBench(tmp_path)
        cluster.create_namespace()
        yield Bench(merging(cluster), cluster=cluster)
        cluster.delete_namespace()
        return
    if request.param == "docker" and (reason := why_no_base()):
        pytest.skip(f"NOT RUN, containers are not held to the platform's promises here: {reason}")
    local = (ContainerBench if request.param == "docker" else LocalBench)(shared, tmp_path)
    yield Bench(local.platform, local)
    local.platform.stop()


@pytest.fixture
def running(bench: Bench) -> Callable[[str], DesiredVariant]:
    bench.platform.start()

    def start(version: str, model: str = "tiny") -> DesiredVariant:
        variant = bench.variant(version, model)
        bench.platform.ensure_variant(variant, READY)
        return variant

    return start


def test_nothing_runs_in_an_environment_that_was_only_started(bench: Bench) -> None:
    """A started environment has a router and no models."""
    bench.platform.start()
    assert bench.platform.observe() == []


def test_an_unknown_environment_is_empty(bench: Bench) -> None:
    """Observing or stopping an environment that never was is no error."""
    assert bench.platform.observe() == []
    bench.platform.stop()


def test_an_environment_is_in_use_from_its_start_to_its_stop(bench: Bench) -> None:
    """Also if nothing was brought into it: a router runs."""
    assert not bench.platform.in_use()
    bench.platform.start()
    assert bench.platform.in_use()
    bench.platform.stop()
    assert not bench.platform.in_use()


@pytest.mark.parametrize("settings", [{}, {"max_concurrency": 3, "log_predictions": False}])
def test_a_variant_is_started_as_its_settings_say(bench: Bench, settings: dict[str, Any]) -> None:
    """How many requests at once, and whether predictions are logged."""
    if bench.cluster is not None:
        pytest.skip("what is rendered says it, and not who applies that")
    bench.platform.start()
    variant = bench.variant("v1", **settings)
    bench.platform.ensure_variant(variant, READY)
    assert bench.answers_as(variant) == Serving(**settings)


def test_an_ensured_variant_is_ready_without_traffic(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """A variant that was ensured answers, and callers are not sent to it."""
    variant = running("v1")
    assert bench.weights() == {variant.name: 0}


def test_ensuring_twice_keeps_the_process(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """A variant that runs is left alone."""
    variant = running("v1")
    before = bench.platform.observe()
    bench.platform.ensure_variant(variant, READY)
    assert bench.platform.observe() == before


def test_a_process_that_ended_is_named(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """A variant that was killed, until it is started again or removed; none that was stopped."""
    if bench.cluster is not None:
        pytest.skip("the cluster itself starts what ended")
    one, _ = running("v1"), running("v2")
    assert bench.platform.ended() == []
    bench.kill(one)
    assert bench.platform.ended() == [one.name]
    bench.platform.ensure_variant(one, READY)
    bench.platform.remove_variants("tiny", [one.name])
    assert bench.platform.ended() == []
    bench.kill(one)
    bench.platform.remove_variants("tiny", [])
    assert bench.platform.ended() == []


def test_weights_are_in_force_when_route_returns(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """After `route` the platform itself says the new weights, each time."""
    one, two = running("v1"), running("v2")
    for weight in (0, 10, 100, 10, 10):
        bench.platform.route(desired(weighted(one, 100 - weight), weighted(two, weight)))
        assert bench.weights() == {one.name: 100 - weight, two.name: weight}


def test_a_model_says_since_when_its_weights_are_in_force(
    bench: Bench, running: Callable[[str], DesiredVariant]
) -> None:
    """The moment moves when the weights change, and neither when they are confirmed nor when an idle variant goes.

    It also says since when the weights before them were.
    """
    one, two = running("v1"), running("v2")
    before = datetime.now(UTC)
    bench.platform.route(desired(weighted(one, 100)))
    first = bench.since()
    assert first is not None
    assert before <= first <= datetime.now(UTC)
    for idle in ((), (weighted(two, 0),)):
        bench.platform.route(desired(weighted(one, 100), *idle))
        assert bench.since() == first
        assert bench.before() is None
    bench.platform.route(desired(weighted(one, 50), weighted(two, 50)))
    second = bench.since()
    assert second is not None
    assert second > first
    assert bench.before() == first
    bench.platform.route(desired(weighted(one, 100), weighted(two, 0)))
    third = bench.since()
    assert third is not None
    assert third > second
    bench.platform.route(desired(weighted(one, 100)))
    assert bench.before() == second


def test_without_traffic_no_weights_are_in_force(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """Neither before the first weights nor after they were taken away."""
    variant = running("v1")
    assert bench.since() is None
    bench.platform.route(desired(weighted(variant, 100)))
    bench.platform.route(desired())
    assert bench.since() is None


def test_a_variant_that_was_not_ensured_gets_no_traffic(bench: Bench) -> None:
    """Routing to a variant that does not run is refused."""
    bench.platform.start()
    variant = bench.variant("v1")
    with pytest.raises(BugError, match=variant.name):
        bench.platform.route(desired(weighted(variant, 100)))


def test_only_variants_not_kept_are_removed(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """`remove_variants` stops the others of that model, says which, and finds nothing the second time."""
    one, two = running("v1"), running("v2")
    bench.platform.route(desired(weighted(two, 100)))
    assert bench.platform.remove_variants("tiny", [two.name]) == [one.name]
    assert bench.weights() == {two.name: 100}
    assert bench.platform.remove_variants("tiny", [two.name]) == []


def test_models_do_not_touch_each_other(bench: Bench, running: Callable[..., DesiredVariant]) -> None:
    """Traffic and variants of one model stay while another's change, even if its name begins the same."""
    tiny, other = running("v1"), running("v1", "tiny_other")
    bench.platform.route(desired(weighted(tiny, 100)))
    bench.platform.route(desired(weighted(other, 100), model="tiny_other"))
    bench.platform.route(desired())
    assert bench.platform.remove_variants("tiny", []) == [tiny.name]
    assert bench.weights("tiny_other") == {other.name: 100}
    assert [m.model for m in bench.platform.observe()] == ["tiny_other"]


def test_a_refusing_variant_leaves_the_old_one_serving(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """A damaged artifact is refused with its reason; the variant that serves keeps all traffic."""
    one = running("v1")
    bench.platform.route(desired(weighted(one, 100)))
    two = bench.variant("v2")
    bench.spoil(two)
    with pytest.raises(InputError, match="changed or damaged"):
        bench.platform.ensure_variant(two, READY)
    assert bench.weights() == {one.name: 100}


def release_of(*weighted_variants: DesiredVariant) -> PlacedRelease:
    """A release that names variants with their weights."""
    variants = [
        Variant(version=v.version, image=v.image, artifact=v.artifact, run=v.run, commit="0" * 40, weight=v.weight)
        for v in weighted_variants
    ]
    plan = CanaryPlan(steps=[10, 50, 100], soak="8s", minimum_requests=200)
    return PlacedRelease(environment="prod", model="tiny", release=Release(variants=variants, canary=plan))


def test_what_is_rendered_follows_from_the_release_alone(
    bench: Bench, running: Callable[[str], DesiredVariant]
) -> None:
    """Whatever runs, the same release renders the same bytes; rendering starts nothing and moves no traffic."""
    one, two = running("v1"), bench.variant("v2")
    release = release_of(weighted(one, 90), weighted(two, 10))
    rendered = dict(bench.platform.render(release, a_version))
    bench.platform.route(desired(weighted(one, 100)))
    before = bench.platform.observe()
    assert dict(bench.platform.render(release, a_version)) == rendered
    assert bench.platform.observe() == before
    bench.platform.stop()
    assert dict(bench.platform.render(release, a_version)) == rendered


def test_rendered_files_stay_in_the_releases_own_directory(bench: Bench) -> None:
    """Names are plain paths below it; another release renders other bytes, if any are rendered."""
    one, two = bench.variant("v1"), bench.variant("v2")
    first = dict(bench.platform.render(release_of(weighted(one, 90), weighted(two, 10)), a_version))
    for name in first:
        path = PurePosixPath(name)
        assert str(path) == name
        assert not path.is_absolute()
        assert {".", ".."}.isdisjoint(path.parts)
    second = dict(bench.platform.render(release_of(weighted(one, 50), weighted(two, 50)), a_version))
    assert (first == second) == (first == {})


def test_stop_ends_everything(bench: Bench, running: Callable[[str], DesiredVariant]) -> None:
    """After `stop` nothing is observed, and the environment can be started anew."""
    variant = running("v1")
    bench.platform.route(desired(weighted(variant, 100)))
    bench.platform.stop()
    assert bench.platform.observe() == []
    bench.platform.start()
    assert bench.platform.observe() == []
