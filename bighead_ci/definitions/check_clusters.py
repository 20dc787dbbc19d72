"""Problems of environments on a cluster, and of model versions that are to serve in one."""

from __future__ import annotations

from collections.abc import Iterator

from bighead_ci.definitions.files import Files, Place, Read
from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.errors import Problem

LONGEST_NAME = 45
"""Of a model: with version and digest it names objects, which may have 63 characters."""


def cluster_problems(files: Files, place: Place, read: Read, definition: KubernetesEnvironment) -> Iterator[Problem]:
    """What an environment lacks, or shares with another that it cannot share."""
    if definition.applied_by == "argo-cd" and definition.repository is None:
        message = "Argo CD has to know where this repository is"
        yield read.problem(place.file, ("repository",), message, wanted="https://git.example.com/models.git")
    for name in files.names("environment"):
        other = files.environment(name)
        if name == place.name or not isinstance(other, KubernetesEnvironment) or other.context != definition.context:
            continue
        if other.namespace == definition.namespace:
            message = f"environment {name} has this namespace: one environment has it for itself"
            yield read.problem(place.file, ("namespace",), message, definition.namespace)
        if other.gateway == definition.gateway:
            message = f"environment {name} is asked by this host: callers could not tell them apart"
            yield read.problem(place.file, ("gateway", "host"), message, definition.gateway.host)


def misplaced_problems(files: Files, environment: str, model: str, version: str) -> Iterator[Problem]:
    """Why a version cannot serve in an environment on a cluster, at what says so; nothing for other environments."""
    definition, place = files.environment(environment), Place("model", model, version)
    versioned, read = files.model(model, version), files.read(place)
    if not isinstance(definition, KubernetesEnvironment) or versioned is None or read is None:
        return
    resources, at = versioned.resources.serve, ("resources", "serve")
    if resources.gpus > definition.gpus:
        message = f"environment {environment} has no container with so many GPUs"
        yield read.problem(place.file, (*at, "gpus"), message, str(resources.gpus), wanted=f"up to {definition.gpus}")
    for key in sorted(resources.node_selector.keys() - set(definition.node_selectors)):
        message = f"nodes of environment {environment} have no such label (node_selectors)"
        yield read.problem(place.file, (*at, "node_selector", key), message, key, definition.node_selectors)
    if resources.least > resources.most:
        yield read.problem(place.file, (*at, "least"), "is more than `most`", str(resources.least))
    if versioned.features and definition.online_store is None:
        message = f"environment {environment} has no online_store, where its pods would find features"
        yield read.problem(place.file, ("features",), message)
    if len(model) > LONGEST_NAME:
        message = f"the name is too long for objects of a cluster, where environment {environment} is"
        yield Problem(file=place.file, message=message, value=model, allowed=f"up to {LONGEST_NAME} characters")
