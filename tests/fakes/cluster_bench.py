"""A namespace of a real cluster, with variants that pass for models' processes, and files that pass for main's."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.environment import Gateway, KubernetesEnvironment
from bighead_ci.documents.live import DesiredModel, DesiredVariant
from bighead_ci.documents.release import PlacedRelease
from bighead_ci.documents.stores import ObjectStore
from bighead_ci.platforms.kubernetes.api import ApiServer
from bighead_ci.platforms.kubernetes.platform import KubernetesPlatform
from bighead_ci.ports.platform import DefinitionOf
from fakes.manifests import rendered

IMAGE = "BIGHEAD_TEST_IMAGE"
"""Environment variable: an image with python3, by digest, that the nodes can pull."""
GATEWAY = "BIGHEAD_TEST_GATEWAY"
"""Environment variable: namespace/name of the Gateway that test routes attach to."""
GATEWAY_URL = "BIGHEAD_TEST_GATEWAY_URL"
"""Environment variable: where that Gateway is reached from here."""

STEADY = 20
"""Answers in a row by which a route is taken to be everywhere."""


def required(name: str) -> str:
    """A setting of the tests on a cluster; without it they do not run."""
    if not os.environ.get("KUBECONFIG") or not os.environ.get(name):
        pytest.skip(f"NOT RUN, the platform on a cluster because KUBECONFIG or {name} is not set: see docs/cluster.md")
    return os.environ[name]


class ClusterBench:
    """One environment `prod` in a namespace of its own; `files` is what main has rendered."""

    def __init__(self, state: Path, namespace: str | None = None) -> None:
        self.image = required(IMAGE)
        gateway_namespace, _, gateway = required(GATEWAY).partition("/")
        self.state = state
        self.gateway_url = os.environ.get(GATEWAY_URL, "")
        self.namespace = namespace or f"bighead-test-{uuid4().hex[:6]}"
        self.definition = KubernetesEnvironment(
            platform="kubernetes",
            canary=CanaryPlan(steps=[10, 50, 100], soak="8s", minimum_requests=200),
            namespace=self.namespace,
            gateway=Gateway(name=gateway, namespace=gateway_namespace, host=f"{self.namespace}.test"),
            registry="registry.test",
            store=ObjectStore(url="s3://models"),
        )
        self.files: dict[str, dict[str, bytes]] = {}
        self.variants: dict[str, dict[str, DesiredVariant]] = {}
        self.settings: dict[str, dict[str, str]] = {}
        self.cluster = ApiServer(None)
        self.platform = self.another_platform()

    def another_platform(self, kind: type[KubernetesPlatform] = KubernetesPlatform) -> KubernetesPlatform:
        """A second hand on the same environment."""
        return kind(
            "prod",
            self.definition,
            state=self.state / "platform",
            cluster=self.cluster,
            committed=lambda model: self.files.get(model, {}),
            renderer=self.render,
            clock=SystemClock(),
        )

    def create_namespace(self) -> None:
        """The one thing that somebody has to make."""
        self.kubectl("create", "namespace", self.namespace)

    def delete_namespace(self) -> None:
        """With all that is in it."""
        self.kubectl("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What an administrator would do by hand."""
        program = shutil.which("kubectl")
        assert program is not None
        done = subprocess.run([program, *arguments], input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def variant(self, version: str, model: str = "tiny", weight: int = 0, **told: str) -> DesiredVariant:
        """A variant that main has rendered; `told` is what its pod is told more."""
        name = f"{model}-{version}".replace("_", "-")
        found = DesiredVariant(
            name=name,
            model=model,
            version=version,
            image=self.image,
            artifact=digest_of([model, version]),
            run="run",
            weight=weight,
        )
        self.settings[name] = told
        self.variants.setdefault(model, {})[name] = found
        self.commit(model)
        return found

    def merge(self, desired: DesiredModel) -> None:
        """Main says these weights."""
        known = self.variants.setdefault(desired.model, {})
        weights = {variant.name: variant.weight for variant in desired.variants}
        known.update({n: v.model_copy(update={"weight": weights.get(n, 0)}) for n, v in known.items()})
        self.commit(desired.model)

    def drop(self, model: str, name: str) -> None:
        """Main does not name the variant any more."""
        del self.variants[model][name]
        self.commit(model)

    def commit(self, model: str) -> None:
        """Render what main says."""
        variants = list(self.variants.get(model, {}).values())
        self.files[model] = rendered("prod", self.definition, model, variants, self.settings)

    def await_traffic(self, only: str | None, model: str = "tiny") -> None:
        """Until the gateway's proxies do what its controller accepted: probes are not counted as requests."""
        headers = {"host": self.definition.gateway.host}
        settled = 0
        deadline = time.monotonic() + 30
        while settled < STEADY:
            assert time.monotonic() < deadline, "the gateway does not send requests where the route says"
            answer = httpx.get(f"{self.gateway_url}/{model}/readyz", headers=headers, trust_env=False)
            version = answer.headers.get("x-bighead-version")
            settled = settled + 1 if version and only in {None, version} else 0

    def render(self, release: PlacedRelease, _: DefinitionOf) -> Mapping[str, bytes]:
        """As the platform's renderer would."""
        variants = [
            DesiredVariant(
                name=f"{release.model}-{v.name}".replace("_", "-"),
                model=release.model,
                version=v.version,
                image=v.image,
                artifact=v.artifact,
                run=v.run,
                weight=v.weight,
            )
            for v in release.release.variants
        ]
        return rendered(release.environment, self.definition, release.model, variants)


def merging(bench: ClusterBench) -> KubernetesPlatform:
    """A platform to which every order comes as a merge: main says it before it is asked for."""

    class Merging(KubernetesPlatform):
        def route(self, desired: DesiredModel) -> None:
            bench.merge(desired)
            super().route(desired)

        def remove_variants(self, model: str, keep: Sequence[str]) -> list[str]:
            for name in bench.variants.get(model, {}).keys() - set(keep):
                bench.drop(model, name)
            return super().remove_variants(model, keep)

    return bench.another_platform(Merging)
