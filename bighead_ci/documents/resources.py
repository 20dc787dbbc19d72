"""What a model version needs of a cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints

from bighead_ci.documents.authored import Definition, DurationText, MemoryText

CpuText = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,4}m|[1-9][0-9]{0,3})$")]
"""`500m` or `2`, as Kubernetes writes shares of processors."""
LABEL = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
LabelKey = Annotated[str, StringConstraints(pattern=rf"^([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{LABEL}$")]
LabelValue = Annotated[str, StringConstraints(pattern=rf"^({LABEL})?$")]


class Toleration(Definition):
    """A taint of nodes that a process may be placed in spite of."""

    key: LabelKey
    value: LabelValue | None = None
    """None: whatever its value is."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """None: any."""


class Resources(Definition):
    """What a container of a version gets, and where it may run. Processes on one machine take what there is."""

    cpu: CpuText = "1"
    memory: MemoryText = "1GiB"
    gpus: Annotated[int, Field(ge=0, le=16)] = 0
    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)


class TrainingResources(Resources):
    """Of each stage of a training."""

    memory: MemoryText = "2GiB"
    timeout: DurationText = "2h"
    """After which a stage is stopped, and failed."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    """How often a stage is begun again that the cluster broke off; a stage that failed by itself is not."""


class ServingResources(Resources):
    """Of each container that answers."""

    cpu: CpuText = "500m"
    least: PositiveInt = 2
    """Containers of a variant that has traffic."""
    most: PositiveInt = 4
    """To which their number rises with the load."""


class ModelResources(Definition):
    """What a version needs of a cluster. It changes no result, and so no content key."""

    train: TrainingResources = Field(default_factory=TrainingResources)
    serve: ServingResources = Field(default_factory=ServingResources)
