"""The builders of images of all environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bighead_ci.delivery.main import Main
    from bighead_ci.documents.environment import EnvironmentDefinition
    from bighead_ci.ports.images import ImageBuilder
    from bighead_ci.wiring.contexts import LocalContext


def image_builders(context: LocalContext, main: Main) -> list[ImageBuilder]:
    """That of directories, and one for each environment of containers.

    Raises:
        RetryError: there is such an environment, and no engine answers.
    """
    found: list[ImageBuilder] = [context.images]
    return found + [
        _containers(context, definition) for definition in main.desired.environments.values() if _runs_them(definition)
    ]


def _runs_them(definition: EnvironmentDefinition) -> bool:
    return definition.platform != "local"


def _containers(context: LocalContext, definition: EnvironmentDefinition) -> ImageBuilder:
    from bighead_ci.docker_engine import connect
    from bighead_ci.documents.environment import DockerEnvironment, KubernetesEnvironment
    from bighead_ci.errors import BugError
    from bighead_ci.images.containers import ContainerImageBuilder, Place

    if not isinstance(definition, DockerEnvironment | KubernetesEnvironment):
        raise BugError(f"nothing here builds images for {definition.platform}")
    place = Place(context.workspace.container_layers, definition.base, definition.registry)
    return ContainerImageBuilder(connect(), place, context.engine)
