"""What is really rendered, on a real API server: it takes every file, and finds nothing in it that it would change."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from bighead_ci.clocks import SystemClock
from bighead_ci.documents.environment import Gateway
from bighead_ci.manifests.environment import environment_file
from bighead_ci.manifests.objects import Placed
from bighead_ci.manifests.release import rendered
from bighead_ci.platforms.kubernetes.api import ApiServer, Kind
from bighead_ci.platforms.kubernetes.committed import read_committed
from bighead_ci.platforms.kubernetes.platform import KubernetesPlatform
from fakes.cluster_bench import GATEWAY, IMAGE, required
from fakes.placed_releases import a_cluster, a_variant, placed
from fakes.waiting import until

pytestmark = pytest.mark.e2e
CLUSTER_WIDE = ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy")


class Rendered:
    """An environment as rendered, with a namespace of its own, and a release of it."""

    def __init__(self, state: Path) -> None:
        gateway_namespace, _, gateway = required(GATEWAY).partition("/")
        self.namespace = f"bighead-test-{uuid4().hex[:6]}"
        self.name = self.namespace.replace("-", "_")
        self.environment = a_cluster(
            namespace=self.namespace,
            applied_by="reconcile",
            gateway=Gateway(name=gateway, namespace=gateway_namespace, host=f"{self.namespace}.test").model_dump(),
        )
        release = placed(a_variant("v1", 90), a_variant("v2", 10, "other"), environment=self.environment)
        moved = release.release.model_copy(update={"environment": self.name})
        self.placed = Placed(self.environment, moved, release.versions)
        self.cluster = ApiServer(None)
        self.files = self._known(rendered(self.placed))
        self.platform = KubernetesPlatform(
            self.name,
            self.environment,
            state=state,
            cluster=self.cluster,
            committed=lambda _: self.files,
            renderer=lambda release, _: rendered(Placed(self.environment, release, self.placed.versions)),
            clock=SystemClock(),
        )

    def _known(self, files: dict[str, bytes]) -> dict[str, bytes]:
        """Without kinds whose CRDs somebody else brings: a cluster for tests need not have Prometheus' operator."""
        kept = {}
        for name, content in files.items():
            objects = [one for one in yaml.safe_load_all(content) if self.cluster.knows(Kind.of(one))]
            kept[name] = yaml.safe_dump_all(objects).encode()
        return kept


def kubectl(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """What an administrator would do by hand."""
    return subprocess.run(["kubectl", *arguments], input=given, capture_output=True, check=False)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Rendered]:
    found = Rendered(tmp_path)
    applied = kubectl("apply", "-f", "-", given=environment_file(found.name, found.environment))
    assert applied.returncode == 0, applied.stderr
    yield found
    kubectl("delete", "namespace", found.namespace, "--wait=false")
    for kind in CLUSTER_WIDE:
        kubectl("delete", kind, "-l", f"bighead/environment={found.name}")


def test_every_rendered_object_is_taken_as_it_is_written(environment: Rendered) -> None:
    """Applied, it is what git says: the defaults that a server fills in are written out, or are no difference."""
    platform = environment.platform
    platform.start()
    assert platform.drift("late") != []
    for one in read_committed(environment.files, "rendered").objects:
        environment.cluster.apply(one, environment.namespace)
    assert platform.drift("late") == []
    platform.stop()
    assert platform.observe() == []


def test_what_is_made_by_hand_with_a_tag_or_as_root_is_refused(environment: Rendered) -> None:
    """By the API server itself, with what would be right; the same with a digest, an owner and no root is taken."""
    name, _, digest = required(IMAGE).partition("@")
    # A policy is in force some seconds after it was made.
    until(lambda: "by its digest" in _tried(environment, f"{name}:latest", owner=True, root=False))
    assert "bighead/owner" in _tried(environment, f"{name}@{digest}", owner=False, root=False)
    assert "as root" in _tried(environment, f"{name}@{digest}", owner=True, root=True)
    assert _tried(environment, f"{name}@{digest}", owner=True, root=False) == ""


def _tried(environment: Rendered, image: str, *, owner: bool, root: bool) -> str:
    """What the API server says to a Deployment."""
    labels = {"app": "hand-made", **({"bighead/owner": "somebody"} if owner else {})}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "hand-made", "namespace": environment.namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app": "hand-made"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "securityContext": {} if root else {"runAsNonRoot": True},
                    "containers": [{"name": "model", "image": image}],
                },
            },
        },
    }
    done = kubectl("apply", "--dry-run=server", "-f", "-", given=json.dumps(deployment).encode())
    return "" if done.returncode == 0 else done.stderr.decode()
