"""Pushes to, pulls from and asks a registry, all through the engine, which has its certificates and its manners.

Whose credentials: those that `docker login` left, or its credential helper answers.
"""

from __future__ import annotations

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.images import Image

from bighead_ci.docker_engine import answering, engine_error
from bighead_ci.errors import BugError

_UNKNOWN = ("manifest unknown", "name unknown", "not found", "repository name not known")
"""Words of a registry that has no such image."""


def digest(client: docker.DockerClient, name: str) -> str | None:
    """What a registry has under a tag or digest; None: nothing.

    Raises:
        InputError: it does not let us.
        RetryError: it does not answer.
    """
    with answering(f"the registry of {name}"):
        try:
            return str(client.images.get_registry_data(name).id)
        except (NotFound, ImageNotFound):
            return None
        except APIError as error:
            if any(word in str(error.explanation).lower() for word in _UNKNOWN):
                return None
            raise


def pull(client: docker.DockerClient, reference: str) -> Image | None:
    """An image by digest; None: the registry has none.

    Raises:
        InputError: it does not let us.
        RetryError: it does not answer.
    """
    with answering(f"{reference} cannot be pulled"):
        try:
            image: Image = client.images.pull(reference)
        except (NotFound, ImageNotFound):
            return None
        return image


def push(client: docker.DockerClient, image: Image, repository: str, tag: str) -> str:
    """Push an image under a tag; the reference by digest that the registry answered.

    Raises:
        InputError: it does not let us.
        RetryError: it does not answer.
    """
    with answering(f"{repository} cannot be pushed"):
        image.tag(repository, tag)
        for said in client.images.push(repository, tag, stream=True, decode=True):
            if "error" in said:
                raise engine_error(f"{repository} cannot be pushed", str(said["error"]))
            if found := said.get("aux", {}).get("Digest"):
                return f"{repository}@{found}"
    raise BugError(f"{repository}: was pushed, and the registry said no digest")
