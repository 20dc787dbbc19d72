"""What a container of a model version stands on: an image that somebody else made, and Debian's packages."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from bighead_ci.documents.authored import Definition

ImageByDigest = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+@sha256:[0-9a-f]{64}$",
        max_length=400,
    ),
]
"""`registry.example:5000/team/image@sha256:…`."""
DebianPackage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$", max_length=80)]


def _once(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("each package may appear once")
    return values


class ContainerBase(Definition):
    """What the containers of a version are made from, where the environment's base will not do.

    Processes on one machine have that machine's libraries, whatever stands here.
    """

    base: ImageByDigest | None = None
    """An image with Python; None: the one that the environment names."""
    packages: Annotated[list[DebianPackage], AfterValidator(_once)] = Field(default_factory=list)
    """Of the base's Debian, at the version that its archive has when the image is first built."""
