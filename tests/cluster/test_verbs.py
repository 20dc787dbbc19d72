"""The verbs themselves, on an environment that is on a real cluster: promote, canary, failed analysis, rollback, drift.

Git, forge, records and what the gates are told of a canary are doubles; the manifests are small ones of our own. The
platform, the pods, the Gateway and the callers are real.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bighead_ci.delivery.reconcile import settle
from bighead_ci.delivery.rollback import rollback
from bighead_ci.delivery.status import model_statuses
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.live import DesiredVariant
from bighead_ci.documents.release import PlacedRelease, process_name, rendered_directory
from bighead_ci.platforms.kubernetes.platform import KubernetesPlatform
from bighead_ci.ports.platform import DefinitionOf, Platform
from bighead_ci.ports.progress import silent
from fakes.cluster_bench import GATEWAY_URL, ClusterBench, required
from fakes.context import FakeContext
from fakes.gateway_load import asking
from fakes.manifests import rendered
from fakes.shipping import merge_promotion, pass_canary, ship
from fakes.waiting import until

pytestmark = pytest.mark.e2e


class ClusterContext(FakeContext):
    """A `FakeContext` whose `prod` is on a cluster."""

    def __init__(self, directory: Path, bench: ClusterBench) -> None:
        self.bench = bench
        super().__init__(directory)
        self.prod = KubernetesPlatform(
            "prod",
            bench.definition,
            state=directory / "platform",
            cluster=bench.cluster,
            committed=self._committed,
            renderer=self._render,
            clock=self.clock,
        )

    def platform(self, environment: str, definition: EnvironmentDefinition) -> Platform:  # type: ignore[override]  # one of another kind
        return self.prod if environment == "prod" else super().platform(environment, definition)

    def shares(self) -> dict[str, int]:
        """Version → weight in force in prod."""
        return {v.version: v.weight for model in self.prod.observe() for v in model.variants}

    def differences(self) -> list[str]:
        """What `status` says of prod."""
        found = model_statuses(self, self.main())
        return [words for model in found if model.environment == "prod" for words in model.differences]

    def settle(self) -> None:
        """As the runner: until nothing starts."""
        assert not settle(self, silent).failed

    def _committed(self, model: str) -> Mapping[str, bytes]:
        tree, below = self.main().tree, f"{rendered_directory('prod', model)}/"
        return {path.removeprefix(below): tree.read(path) for path in tree.files() if path.startswith(below)}

    def _render(self, release: PlacedRelease, _: DefinitionOf) -> Mapping[str, bytes]:
        variants = [
            DesiredVariant(
                name=process_name(release.model, one),
                model=release.model,
                version=one.version,
                image=one.image,
                artifact=one.artifact,
                run=one.run,
                weight=one.weight,
            )
            for one in release.release.variants
        ]
        images = {variant.name: {"IMAGE": self.bench.image} for variant in variants}
        return rendered("prod", self.bench.definition, release.model, variants, images)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ClusterContext]:
    required(GATEWAY_URL)
    bench = ClusterBench(tmp_path)
    bench.create_namespace()
    yield ClusterContext(tmp_path, bench)
    bench.delete_namespace()


def test_a_model_is_shipped_judged_taken_back_and_mended(context: ClusterContext) -> None:
    """Callers see no failed request while versions come and go."""
    bench = context.bench
    ship(context, "v2")
    context.settle()
    assert (context.shares(), context.differences()) == ({"v2": 100}, [])
    with asking(bench.gateway_url, bench.definition.gateway.host, "late") as answers:
        until(lambda: answers.seen["200 v2"] > 20)
        ship(context, "v3")
        context.settle()
        assert context.shares() == {"v2": 90, "v3": 10}
        pass_canary(context, 1, errors=500)
        context.settle()
        assert context.shares()["v2"] == 100
        merge_promotion(context, "prod", "v3")
        context.settle()
        pass_canary(context, 2)
        context.settle()
        assert context.shares() == {"v2": 0, "v3": 100}
        until(lambda: answers.seen["200 v3"] > 50)
        (name,) = [v.name for m in context.prod.observe() for v in m.variants if v.weight]
        bench.kubectl("-n", bench.namespace, "scale", f"deployment/{name}", "--replicas=2")
        assert f"Deployment {name}: spec.replicas is 2, main says 1" in context.differences()
        context.settle()
        assert context.differences() == []
        taken = rollback(context.acting("ada"), "late", "prod")
        context.approve_and_merge(taken.number)
        context.settle()
        assert context.shares()["v2"] == 100
        before = answers.seen["200 v2"]
        until(lambda: answers.seen["200 v2"] > before + 50)
    assert answers.failed == 0, answers.failures
