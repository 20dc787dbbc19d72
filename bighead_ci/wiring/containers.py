"""Docker engines of environments: their images, and what variants run in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bighead_ci.errors import RetryError

if TYPE_CHECKING:
    from bighead_ci.docker_engine import Client
    from bighead_ci.documents.environment import DockerEnvironment, KubernetesEnvironment
    from bighead_ci.documents.image import LocalImage
    from bighead_ci.images.containers import ContainerImageBuilder
    from bighead_ci.platforms.containers import ContainerImage
    from bighead_ci.platforms.runtime import Runtime
    from bighead_ci.ports.engine import Engine
    from bighead_ci.workspaces.layout import Workspace


def engine_of(environment: str) -> Client:
    """The engine that an environment's images, and its containers if it runs them here, are in.

    Raises:
        RetryError: none answers; names the file that asks for one.
    """
    from bighead_ci.docker_engine import connect

    try:
        return connect()
    except RetryError as error:
        file = f"environments/{environment}/environment.yaml"
        raise RetryError(f"{file}: platform: its images need a Docker engine on this machine: {error}") from error


def container_images(
    workspace: Workspace, engine: Engine, environment: str, definition: DockerEnvironment | KubernetesEnvironment
) -> ContainerImageBuilder:
    """Builds and finds the images of an environment of containers.

    Raises:
        RetryError: no engine answers.
    """
    from bighead_ci.images.containers import ContainerImageBuilder, Place

    place = Place(workspace.container_layers, definition.base, definition.registry)
    return ContainerImageBuilder(engine_of(environment), place, engine)


def runtimes(
    environment: str,
    *,
    runs_containers: bool,
    open_image: Callable[[str], LocalImage | None],
    open_container_image: Callable[[str], ContainerImage | None],
    bytecode: Path,
) -> Callable[[Path], Runtime]:
    """What the variant of a directory runs in: what it was started in, whatever its environment says today.

    Args:
        environment: Its name.
        runs_containers: What is started from now on is a container.
        open_image: An image for a process.
        open_container_image: One for a container.
        bytecode: Where processes keep what Python compiled.
    """
    from bighead_ci.platforms.containers import ContainerHost, ContainerRuntime
    from bighead_ci.platforms.processes import ProcessRuntime

    host = ContainerHost(cache(partial(engine_of, environment)), open_container_image)

    def runtime(directory: Path) -> Runtime:
        process, container = ProcessRuntime(directory, open_image, bytecode), ContainerRuntime(directory, host)
        return container if container.used() or (runs_containers and not process.used()) else process

    return runtime
