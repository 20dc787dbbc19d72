"""Reads files of an image without starting anything of it."""

from __future__ import annotations

import io
import tarfile

import docker
from docker.errors import NotFound

from bighead_ci.errors import InputError


def file_in(client: docker.DockerClient, image: str, path: str) -> bytes:
    """The content of one file of an image that the engine has.

    Raises:
        InputError: there is no such file.
    """
    container = client.containers.create(image)
    try:
        stream, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            content = archive.extractfile(archive.getmembers()[0])
            return content.read() if content else b""
    except NotFound as error:
        raise InputError(f"the image {image} has no file {path}") from error
    finally:
        container.remove()
