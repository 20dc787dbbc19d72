"""Environments on a cluster, and versions that are to serve there: what is wrong, at its line."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.check_clusters import LONGEST_NAME, misplaced_problems
from bighead_ci.definitions.files import Files
from bighead_ci.errors import Problem
from fakes.memory_tree import MODEL, MemoryTree, model_files, only, problems, repository

CLUSTER = """
    platform: kubernetes
    namespace: prod
    canary: {steps: [10, 100], soak: 8s, minimum_requests: 200}
    gateway: {name: models, namespace: gateways, host: models.example}
    registry: registry.example/bighead
    store: {url: s3://bighead/prod}
    online_store: redis://redis.example
    node_selectors: [pool]
    gpus: 1
"""
FILE = "environments/prod/environment.yaml"


def of(text: str, **files: str) -> list[Problem]:
    """Problems of the environment."""
    return [one for one in problems(**{FILE: text, **files}) if one.file == FILE]


def test_an_environment_on_a_cluster_may_be_right() -> None:
    """Nothing is wrong with the example."""
    assert of(CLUSTER) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "subject"),
    [
        ("    registry: registry.example/bighead\n", "", 1, "registry"),
        ("registry.example/bighead", "https://registry.example", 5, "registry"),
        ("s3://bighead/prod", "file:///data", 6, "store.url"),
        ("redis://redis.example", "redis://me:secret@redis.example", 7, "online_store"),
        ("namespace: prod", "namespace: Prod_1", 2, "namespace"),
        ("    gpus: 1\n", "    gpus: 1\n    applied_by: argo-cd\n", 10, "repository"),
        ("    gpus: 1\n", "    gpus: 1\n    base: python:3.11\n", 10, "base"),
    ],
)
def test_what_is_wrong_with_it_is_said_at_its_line(old: str, new: str, line: int, subject: str) -> None:
    """A base by its tag, a password in an address, an unknown store, a missing field."""
    assert old in CLUSTER
    problem = only([one for one in of(CLUSTER.replace(old, new)) if one.subject == subject])
    assert subject == "repository" or problem.line == line


def test_two_environments_share_neither_a_namespace_nor_a_host() -> None:
    """Of one cluster; of two clusters they may."""
    other = "environments/canary/environment.yaml"
    assert [one.subject for one in of(CLUSTER, **{other: CLUSTER})] == ["namespace", "gateway.host"]
    assert of(CLUSTER, **{other: CLUSTER + "    context: elsewhere\n"}) == []


@pytest.mark.parametrize(
    ("more", "environment", "subject", "allowed"),
    [
        ("    resources: {serve: {gpus: 2}}\n", CLUSTER, "resources.serve.gpus", "up to 1"),
        ("    resources: {serve: {node_selector: {pol: a}}}\n", CLUSTER, "resources.serve.node_selector.pol", "pool"),
        ("    resources: {serve: {least: 5}}\n", CLUSTER, "resources.serve.least", None),
        ("", CLUSTER.replace("    online_store: redis://redis.example\n", ""), "features", None),
    ],
)
def test_a_version_that_cannot_serve_there_is_told_why(
    more: str, environment: str, subject: str, allowed: str | None
) -> None:
    """In its model.yaml, with what the environment has."""
    files = repository(**model_files("models/late/v2", MODEL + more), **{FILE: environment})
    problem = only(list(misplaced_problems(Files(MemoryTree(files)), "prod", "late", "v2")))
    assert (problem.file, problem.subject, problem.allowed) == ("models/late/v2/model.yaml", subject, allowed)
    assert problem.line is not None


def test_a_name_has_room_for_what_objects_add_to_it() -> None:
    """Kubernetes takes 63 characters."""
    name = "m" * (LONGEST_NAME + 1)
    files = repository(**model_files(f"models/{name}/v2"), **{FILE: CLUSTER})
    assert f"up to {LONGEST_NAME}" in str(only(list(misplaced_problems(Files(MemoryTree(files)), "prod", name, "v2"))))
    assert list(misplaced_problems(Files(MemoryTree(files)), "staging", name, "v2")) == []
