"""Images of model versions: what goes into one, and what a builder answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from bighead_ci.documents.base import Digest, Document, Name, Version
from bighead_ci.documents.container_base import DebianPackage, ImageByDigest
from bighead_ci.documents.inputs import Target

INTERPRETER = "/opt/bighead/environment/bin/python"
"""Of an image in a container."""
CODE = "/opt/bighead/model"
"""Where one has the version's own files."""

Reference = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]+([._/:-]+[a-z0-9]+)*@sha256:[0-9a-f]{64}$", max_length=400)
]
"""What names an image that was built, wherever it is kept: `registry.example/flight_delay@sha256:…`."""


class ImageRef(Document):
    """An image that was built."""

    key: Digest
    """Of all that went into it."""
    reference: Reference
    """Of what came out: the builder's or the registry's answer."""


class ImageRecipe(Document):
    """All that goes into an image of a model version."""

    key: Digest
    target: Target
    model: Name
    version: Version
    files: dict[str, str]
    """Path of a file of the version's code, relative to the repository → git's blob id."""
    lock: str
    """Path of the lock that its Python environment is made from."""
    locked: Digest
    """Of all that this lock says, with what it shares."""
    engine: dict[str, Digest]
    """Path below the engine's package → digest."""
    python: str
    """`3.11`."""
    entry_point: str | None = None
    """Module of the engine that runs in a container or process of it; None: whoever starts it says."""
    base: ImageByDigest | None = None
    """What its container stands on; None: what the environment names."""
    packages: list[DebianPackage] = Field(default_factory=list)
    """Of Debian, beside what the base has."""

    @property
    def folder(self) -> str:
        """The version's directory, relative to the repository."""
        return f"models/{self.model}/{self.version}"


class ImageManifest(Document):
    """What an image holds; its digest is the image's."""

    key: Digest
    target: Target
    model: Name
    version: Version
    python: str
    lock: Digest
    """Of the lock's content."""
    entry_point: str | None = None
    """Module of the engine that runs in it; None: whoever starts it says."""
    files: dict[str, Digest]
    """Path in the image → digest of every file."""


class LocalImage(Document):
    """An image on this machine, verified, with what runs it."""

    manifest: ImageManifest
    code: Path
    """Directory with the version's own files."""
    engine: Path
    """Directory for the interpreter's path: it holds the engine's package and nothing else."""
    interpreter: Path
    """Of an environment that has what the lock says."""
