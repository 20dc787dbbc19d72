"""A release as manifests: what a cluster takes, always the same, with nothing secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # publishes no types
import kubernetes_validate  # type: ignore[import-untyped] # publishes no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bighead_ci.documents import labels
from bighead_ci.documents.live import ContainerConfig
from bighead_ci.manifests.environment import environment_file
from bighead_ci.manifests.objects import Json
from bighead_ci.manifests.release import rendered
from fakes.placed_releases import a_cluster, a_variant, objects_of, placed

HERE = Path(__file__).parent
CORE = "1.34"
"""Version of Kubernetes whose own kinds are held against."""
OF_CONTROLLERS = {"Kustomization"}
"""Kinds whose schema nobody publishes apart from a controller: held against a real one on the cluster."""
CANARY = (a_variant("v1", 90), a_variant("v2", 10))
NEEDS = """
    resources:
      serve:
        cpu: "2"
        memory: 4GiB
        gpus: 1
        node_selector: {pool: models}
        tolerations: [{key: example.com/models, effect: NoSchedule}, {key: gpu, value: "yes"}]
        least: 1
        most: 1
"""


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [one for one in objects if one["kind"] == kind]


def validate(one: Json) -> None:
    """Against the schema of its kind, strictly."""
    file = HERE / "schemas" / f"{one['kind']}.json"
    if file.exists():
        jsonschema.Draft202012Validator(json.loads(file.read_bytes())).validate(one)
    elif one["kind"] not in OF_CONTROLLERS:
        kubernetes_validate.validate(one, CORE, strict=True)


@pytest.mark.parametrize("more", ["", NEEDS])
def test_every_rendered_object_is_one_that_a_cluster_takes(more: str) -> None:
    """By the schemas of Kubernetes, the Gateway API and the Prometheus operator; no field is unknown."""
    objects = objects_of(rendered(placed(*CANARY, more=more)))
    kinds = {one["kind"] for one in objects}
    assert kinds >= {"Deployment", "Service", "HTTPRoute", "NetworkPolicy", "ServiceMonitor", "PrometheusRule"}
    assert ("HorizontalPodAutoscaler" in kinds) == (more == "")
    for one in objects:
        validate(one)


def test_a_cluster_without_the_operator_gets_none_of_its_kinds() -> None:
    """It would refuse all of the release for them."""
    objects = objects_of(rendered(placed(*CANARY, environment=a_cluster(prometheus_operator=False))))
    assert {"ServiceMonitor", "PrometheusRule"}.isdisjoint(one["kind"] for one in objects)


@pytest.mark.parametrize("by", ["flux", "argo-cd", "reconcile"])
def test_what_an_environment_needs_is_taken_too(by: str) -> None:
    """Its namespace, its admission policy, and who applies its files."""
    environment = a_cluster(applied_by=by, repository="https://git.example/models.git")
    objects = objects_of({"environment.yaml": environment_file("prod", environment)})
    applied = {"flux": ["Kustomization"], "argo-cd": ["ApplicationSet"], "reconcile": []}[by]
    policies = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    assert [one["kind"] for one in objects] == ["Namespace", *policies, *applied]
    for one in objects:
        validate(one)


@pytest.mark.parametrize("name", ["canary", "alone", "needs"])
def test_the_example_renders_as_it_did(name: str) -> None:
    """Goldens: `BIGHEAD_WRITE_GOLDEN=1` writes them anew."""
    cases = {
        "canary": placed(*CANARY),
        "alone": placed(a_variant("v1", 100), environment=a_cluster(applied_by="argo-cd", secret=None)),
        "needs": placed(a_variant("v1", 100), more=NEEDS),
    }
    files = rendered(cases[name])
    golden = HERE / "golden" / name
    if os.environ.get("BIGHEAD_WRITE_GOLDEN"):
        golden.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (golden / file).write_bytes(content)
    assert {path.name: path.read_bytes() for path in golden.iterdir()} == files


@st.composite
def _releases(draw: st.DrawFn) -> Any:
    weight = draw(st.sampled_from([10, 50, 100]))
    newest = a_variant(draw(st.sampled_from(["v2", "v3"])), weight, draw(st.text("ab", max_size=3)))
    alone = weight == 100 and draw(st.booleans())
    return placed(*([newest] if alone else [a_variant("v1", 100 - weight), newest]))


@given(_releases())
@settings(max_examples=15, deadline=None)
def test_the_route_gives_each_variant_what_the_release_says(one: Any) -> None:
    """To the Service of that name, which selects the pods of that Deployment and no others."""
    objects = objects_of(rendered(one))
    (route,) = of_kind(objects, "HTTPRoute")
    shares = {ref["name"]: ref["weight"] for rule in route["spec"]["rules"] for ref in rule["backendRefs"]}
    assert shares == {one.process_name(v): v.weight for v in one.release.release.variants}
    services = {s["metadata"]["name"]: s["spec"]["selector"] for s in of_kind(objects, "Service")}
    assert services.keys() == shares.keys()
    for deployment in of_kind(objects, "Deployment"):
        pod = deployment["spec"]["template"]["metadata"]["labels"]
        chosen = [name for name, selector in services.items() if selector.items() <= pod.items()]
        assert chosen == [deployment["metadata"]["name"]]
    assert rendered(one) == rendered(one)


def test_weights_alone_change_the_route_alone() -> None:
    """No pod is replaced, and none taken away, by the steps of a canary."""
    first = rendered(placed(*CANARY))
    later = rendered(placed(a_variant("v1", 0), a_variant("v2", 100)))
    assert [name for name in first if first[name] != later[name]] == ["route.yaml"]


def test_every_object_says_what_it_is_of() -> None:
    """So that it can be found, and taken away; a variant's objects say whose they are."""
    for one in objects_of(rendered(placed(*CANARY))):
        found = one["metadata"]["labels"]
        assert (found[labels.MANAGED_BY], found[labels.ENVIRONMENT], found[labels.MODEL]) == ("bighead", "prod", "late")
        assert one["metadata"]["namespace"] == "bighead-prod"
        if one["kind"] in {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}:
            assert found[labels.VARIANT] == one["metadata"]["name"]
            assert found[labels.OWNER] == "flights"


def test_pods_run_as_nobody_on_a_file_system_that_nobody_can_write_to() -> None:
    """By digest, without a token of the cluster; every image and every container."""
    for deployment in of_kind(objects_of(rendered(placed(*CANARY))), "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert "@sha256:" in container["image"]
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_process_is_told_what_the_definitions_say() -> None:
    """Read back by the document that the process reads; credentials come from the Secret that is named alone."""
    files = rendered(placed(*CANARY, more="    serving: {deadline_ms: 250, memory: 512MiB}\n"))
    (told, _) = (one["data"]["variant.json"] for one in objects_of(files) if "variant.json" in one.get("data", {}))
    config = ContainerConfig.model_validate_json(told)
    assert (config.deadline_ms, config.memory_bytes, config.port) == (250, 512 << 20, 8080)
    assert config.store is not None
    assert (config.store.url, config.online_store_url) == ("s3://bighead/prod", "redis://redis.example:6379/0")
    deployment = of_kind(objects_of(files), "Deployment")[0]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"secretRef": {"name": "stores"}}]
    assert container["resources"]["limits"] == {"memory": "1Gi"}


def test_another_configuration_replaces_pods() -> None:
    """A ConfigMap alone would change under a process that has read it long ago."""

    def checksums(more: str) -> list[str]:
        deployments = of_kind(objects_of(rendered(placed(*CANARY, more=more))), "Deployment")
        return [one["spec"]["template"]["metadata"]["annotations"]["bighead/config"] for one in deployments]

    assert checksums("") != checksums("    serving: {deadline_ms: 250}\n")
    assert checksums("") == checksums("")
