"""A release on a cluster, and what it is rendered from."""

from __future__ import annotations

from typing import Any

import yaml

from bighead_ci.definitions.loading import load_model
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import CanaryPlan, VersionedModel
from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.manifests.objects import Json, Placed
from fakes.memory_tree import MODEL, MemoryTree, model_files, repository

PLAN = CanaryPlan(steps=[10, 50, 100], soak="8s", minimum_requests=200)
ENVIRONMENT: dict[str, Any] = {
    "platform": "kubernetes",
    "namespace": "bighead-prod",
    "applied_by": "flux",
    "canary": {"steps": [10, 50, 100], "soak": "8s", "minimum_requests": 200},
    "gateway": {"name": "models", "namespace": "gateways", "host": "models.example"},
    "registry": "registry.example/bighead",
    "store": {"url": "s3://bighead/prod", "endpoint": "http://store.example:9000"},
    "online_store": "redis://redis.example:6379/0",
    "secret": "stores",
}


def a_cluster(**changes: Any) -> KubernetesEnvironment:
    """An environment on one."""
    return KubernetesEnvironment.model_validate(ENVIRONMENT | changes)


def a_version(version: str, more: str = "") -> VersionedModel:
    """A version of model `late`; `more` are lines of its model.yaml."""
    tree = MemoryTree(repository(**model_files(f"models/late/{version}", MODEL + more)))
    return load_model(tree, "late", version)


def a_variant(version: str, weight: int, artifact: str = "artifact") -> Variant:
    """One of a release."""
    return Variant(
        version=version,
        image=f"registry.example/bighead/late@{digest_of(version)}",
        artifact=digest_of(artifact),
        run="run",
        commit="0" * 40,
        weight=weight,
    )


def placed(*variants: Variant, environment: KubernetesEnvironment | None = None, more: str = "") -> Placed:
    """A release of model `late` in `prod`."""
    release = PlacedRelease(environment="prod", model="late", release=Release(variants=list(variants), canary=PLAN))
    versions = {variant.version: a_version(variant.version, more) for variant in variants}
    return Placed(environment or a_cluster(), release, versions)


def objects_of(files: dict[str, bytes]) -> list[Json]:
    """What files hold."""
    return [one for content in files.values() for one in yaml.safe_load_all(content)]
