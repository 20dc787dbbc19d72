"""Environments as they are authored (`environments/<name>/environment.yaml`): where models run."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt, StringConstraints

from bighead_ci.documents.authored import Definition, DurationText
from bighead_ci.documents.base import Name
from bighead_ci.documents.container_base import ImageByDigest
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.resources import LabelKey
from bighead_ci.documents.stores import HttpUrl, ObjectStore, RedisUrl

KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
RegistryPrefix = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-][a-z0-9]+)*)*$")
]
"""`registry.example:5000/models`: what the names of pushed images begin with."""


class Router(Definition):
    """Where callers reach an environment on the local platform."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    """0 lets the platform choose one."""


class Training(Definition):
    """Where the stages of a version run that is checked for this environment."""

    on: Literal["local", "argo"] = "local"
    namespace: KubernetesName = "bighead-training"
    """Of the workflows."""
    service_account: KubernetesName = "bighead-training"
    at_once: PositiveInt | None = None
    """Trainings that run at once; the others wait by priority. None: no limit."""
    teams: dict[str, PositiveInt] = Field(default_factory=dict)
    """Owner of models → how many of their trainings run at once."""


class EnvironmentDefinition(Definition):
    """A place where models run (`environments/<name>/environment.yaml`), whatever its platform."""

    description: str = ""
    platform: str
    promotes_from: Name | None = None
    """The environment a version must serve in before it may be promoted here; None: straight from a merged PR."""
    canary: CanaryPlan
    approvals: Annotated[int, Field(ge=0, le=5)] = 1
    """People who must approve a promotion PR."""
    keep_warm: DurationText = "10m"
    """How long the variant that served before stays ready, without traffic, before the bot retires it.

    A revert is then quick.
    """
    comes_in_at_rest: ClassVar[bool] = False
    """Whether a version comes in without traffic, and gets some by a commit of its own once it is ready."""


class LocalEnvironment(EnvironmentDefinition):
    """An environment of processes on one machine, behind a router."""

    platform: Literal["local"]
    """Where it runs; the other fields follow from it."""
    router: Router


class DockerEnvironment(EnvironmentDefinition):
    """An environment of containers on one machine, behind a router."""

    platform: Literal["docker"]
    """Where it runs; the other fields follow from it."""
    router: Router
    base: ImageByDigest | None = None
    """What images are made from of versions that bring no base of their own; it has Python."""
    registry: RegistryPrefix | None = None
    """Where images are pushed; None: they stay with the engine that built them."""


class Gateway(Definition):
    """The Gateway of the cluster that routes of models attach to, and the host that callers ask."""

    name: KubernetesName
    namespace: KubernetesName
    host: HostName


class KubernetesEnvironment(EnvironmentDefinition):
    """An environment on a cluster: what main says is rendered beside each release, and applied by a controller."""

    platform: Literal["kubernetes"]
    """Where it runs; the other fields follow from it."""
    comes_in_at_rest: ClassVar[bool] = True
    namespace: KubernetesName
    """Where its models run; one environment has it for itself."""
    context: str | None = None
    """Of the kubeconfig; None: its current one."""
    applied_by: Literal["flux", "argo-cd", "reconcile"] = "reconcile"
    """Who applies rendered files: a GitOps controller, or `bighead reconcile`."""
    repository: HttpUrl | None = None
    """Where Argo CD finds this repository. Flux has it as its GitRepository `bighead`."""
    gateway: Gateway
    base: ImageByDigest | None = None
    """What images are made from of versions that bring no base of their own; it has Python."""
    registry: RegistryPrefix
    """Where images are pushed, and pulled from by nodes."""
    store: ObjectStore
    online_store: RedisUrl | None = None
    """Where pods find features; None: models with features cannot be promoted here."""
    secret: KubernetesName | None = None
    """A Secret of the namespace whose keys pods get as environment variables: credentials of the stores."""
    node_selectors: list[LabelKey] = Field(default_factory=list)
    """Labels that nodes have and that a model's `node_selector` may name."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """The most that one container may ask for."""
    prometheus_operator: bool = True
    """Whether the cluster has its CRDs, so that each release is rendered with a ServiceMonitor and a PrometheusRule."""
    prometheus: HttpUrl | None = None
    """Whose counters a canary is judged by; None: those of the pods and the gateway themselves."""
    training: Training = Field(default_factory=Training)


AnyEnvironment = Annotated[
    LocalEnvironment | DockerEnvironment | KubernetesEnvironment, Field(discriminator="platform")
]
"""What `environment.yaml` is read as."""
