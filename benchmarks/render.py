"""1,000 releases of models on a cluster rendered as manifests; and a work tree in which one version was edited."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from benchmarks import outcome
from benchmarks.live import ROOT
from bighead_ci.definitions.loading import load_model
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.environment import Gateway, KubernetesEnvironment
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.documents.stores import ObjectStore
from bighead_ci.manifests.release import render_release

MODELS = 1_000
PARTS = ("all", "one")
PLAN = CanaryPlan(steps=[10, 50, 100], soak="8s", minimum_requests=200)


def measure(parts: Collection[str]) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Every release has two variants, as during a canary."""
    environment = KubernetesEnvironment(
        platform="kubernetes",
        namespace="models",
        canary=PLAN,
        gateway=Gateway(name="models", namespace="gateways", host="models.example"),
        registry="registry.example/models",
        store=ObjectStore(url="s3://models/prod"),
        online_store="redis://redis.example:6379",
    )
    example = load_model(DirectoryTree(ROOT), "flight_delay", "v2")
    releases = [_release(f"model_{number}") for number in range(MODELS)]
    figures: dict[str, Any] = {}
    bars: dict[str, tuple[float, float]] = {}
    if "all" in parts:
        began = time.perf_counter()
        rendered = [render_release(environment, one, lambda _: example) for one in releases]
        figures["all_seconds"] = round(time.perf_counter() - began, 2)
        figures["files"] = sum(map(len, rendered))
        figures["megabytes"] = round(sum(len(text) for files in rendered for text in files.values()) / 1e6, 1)
        bars["all_seconds"] = (figures["all_seconds"], 10.0)
    if "one" in parts:
        began = time.perf_counter()
        render_release(environment, releases[0], lambda _: example)
        figures["one_milliseconds"] = round(
            (time.perf_counter() - began) / timedelta(milliseconds=1).total_seconds(), 1
        )
    return figures, bars


def _release(model: str) -> PlacedRelease:
    variants = [
        Variant(
            version=version,
            image=f"registry.example/models/{model}@{digest_of([model, version])}",
            artifact=digest_of([model, version, "artifact"]),
            run="run",
            commit="0" * 40,
            weight=weight,
        )
        for version, weight in (("v1", 90), ("v2", 10))
    ]
    return PlacedRelease(environment="prod", model=model, release=Release(variants=variants, canary=PLAN))


if __name__ == "__main__":
    outcome.run("render", __doc__ or "", measure, PARTS)
