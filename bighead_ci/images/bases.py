"""Images that the images of model versions are made from: found by digest, and asked what they have."""

from __future__ import annotations

import re
from dataclasses import dataclass

import docker
from docker.errors import ContainerError, ImageNotFound, NotFound
from docker.models.images import Image
from pydantic import ValidationError

from bighead_ci.docker_engine import answering
from bighead_ci.documents.base import Document
from bighead_ci.errors import InputError

REPOSITORY = "bighead/base"
"""What bases are tagged as in an engine: a recipe that is built there names no registry."""
_PROBE = """
import json, os, platform, sys
at = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
libc, libc_version = platform.libc_ver()
print(json.dumps({"python": "%d.%d" % sys.version_info[:2], "executable": at, "machine": platform.machine(),
                  "libc": libc, "libc_version": libc_version}))
"""
_OLDEST_GLIBC, _NEWEST_GLIBC = 17, 40
"""Minor versions that uv knows as `manylinux_2_<minor>`."""


class BaseFacts(Document):
    """What a base says of itself."""

    python: str
    """`3.11`."""
    executable: str
    """Of its Python, without links."""
    machine: str
    """`x86_64`."""
    libc: str
    """`glibc`; empty for another one."""
    libc_version: str

    @property
    def platform(self) -> str:
        """As uv calls it: `x86_64-manylinux_2_36`."""
        found = re.fullmatch(r"2\.([0-9]+)", self.libc_version)
        if self.libc != "glibc" or found is None:
            return f"{self.machine}-unknown-linux-musl"
        return f"{self.machine}-manylinux_2_{min(max(int(found[1]), _OLDEST_GLIBC), _NEWEST_GLIBC)}"


@dataclass(frozen=True)
class Base:
    """A base that an engine has."""

    reference: str
    """As an environment or a version names it."""
    tag: str
    """What a recipe that is built in that engine calls it."""
    image: Image


def pulled(client: docker.DockerClient, reference: str) -> Base:
    """A base, pulled unless the engine has it.

    Its digest is the registry's; or that of the engine, for an image that it has under this name and no registry gave.

    Raises:
        InputError: there is none, or the registry refuses it.
        RetryError: the engine or the registry does not answer.
    """
    with answering(f"the base {reference} cannot be had"):
        image = _here(client, reference)
        if image is None:
            try:
                image = client.images.pull(reference)
            except NotFound as error:
                raise InputError(f"there is no base {reference}, neither in the engine nor in its registry") from error
        identity = image.id.rpartition(":")[2]
        image.tag(REPOSITORY, identity)
        return Base(reference, f"{REPOSITORY}:{identity}", image)


def facts_of(client: docker.DockerClient, base: Base) -> BaseFacts:
    """What a base has, by running its Python in a container that reaches nothing.

    Raises:
        InputError: it has no Python.
        RetryError: the engine does not answer.
    """
    with answering(f"the base {base.reference} cannot be looked at"):
        try:
            said = client.containers.run(
                base.image.id,
                ["-c", _PROBE],
                entrypoint=["python3", "-I"],
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                user="65534:65534",
                remove=True,
            )
            return BaseFacts.model_validate_json(said)
        except (ContainerError, NotFound, ValidationError) as error:
            raise InputError(f"the base {base.reference} has no python3 that starts: {error}") from error


def _here(client: docker.DockerClient, reference: str) -> Image | None:
    try:
        return client.images.get(reference)
    except ImageNotFound:
        pass
    name, _, digest = reference.partition("@")
    try:
        image: Image = client.images.get(digest)
    except ImageNotFound:
        return None
    return image if name in {tag.rpartition(":")[0] for tag in image.tags} else None
