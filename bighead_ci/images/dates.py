"""Takes the dates of its build out of an image's configuration, which are all of it that differs between two builds.

BuildKit does so itself from 0.11 (`SOURCE_DATE_EPOCH`), that is in engines from 23; older ones are given the
configuration that it would have written. An engine that has the layers of an image takes an archive without them.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import suppress
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image

from bighead_ci.documents.base import canonical_json

EPOCH = "1970-01-01T00:00:00Z"
_RUN_SETTINGS = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "StopSignal", "User", "Volumes", "WorkingDir")
"""Of a configuration as the image specification has it; an engine adds its own."""


def without_dates(client: docker.DockerClient, image: Image, tag: str) -> Image:
    """The image of the same layers and settings that is of 1970, tagged so in place of the given one."""
    if image.attrs["Created"] == EPOCH:
        return image
    layers = image.attrs["RootFS"]["Layers"]
    config = canonical_json(
        {
            "architecture": image.attrs["Architecture"],
            "config": {name: image.attrs["Config"][name] for name in _RUN_SETTINGS if image.attrs["Config"].get(name)},
            "created": EPOCH,
            "history": [_step(one) for one in reversed(image.history())],
            "os": image.attrs["Os"],
            "rootfs": {"diff_ids": layers, "type": "layers"},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest: list[dict[str, Any]] = [{"Config": name, "Layers": layers, "RepoTags": [tag]}]
    loaded: Image = client.images.load(_archive({name: config, "manifest.json": json.dumps(manifest).encode()}))[0]
    with suppress(ImageNotFound, APIError):  # somebody else's by now, or removed with what it was made for
        client.images.remove(image.id)
    return loaded


def _step(told: dict[str, Any]) -> dict[str, Any]:
    """What made a layer, or a setting, as an engine tells it: without its date."""
    return {"created": EPOCH, "created_by": told["CreatedBy"]} | ({} if told["Size"] else {"empty_layer": True})


def _archive(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()
