"""What an image holds as a bill of materials, CycloneDX 1.6, from its lock. Pure: the same lock, the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

from bighead_ci.definitions.lock_file import Pin
from bighead_ci.documents.image import ImageManifest

_NAMESPACE = UUID("9f2f8f55-6a0f-5c1e-8d0b-4a5a0d1c7d11")


def bill_of_materials(manifest: ImageManifest, pins: Iterable[Pin], base: str | None) -> bytes:
    """The bill of an image: its libraries, what it stands on (None: the machine that it is on), and our own files."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(_NAMESPACE, manifest.key)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": manifest.key,
                "name": manifest.model,
                "version": manifest.version,
                "properties": [{"name": "bighead:target", "value": manifest.target}],
            }
        },
        "components": [
            *([_base(base)] if base else []),
            *(_library(pin) for pin in sorted(pins, key=lambda pin: (pin.name, pin.version))),
            *(_file(path, digest) for path, digest in sorted(manifest.files.items())),
        ],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _base(reference: str) -> dict[str, Any]:
    name, _, digest = reference.partition("@")
    return {"type": "container", "bom-ref": reference, "name": name, "version": digest}


def _library(pin: Pin) -> dict[str, Any]:
    """Without hashes: the lock has those of every wheel that may be installed, and the platform says which is."""
    url = f"pkg:pypi/{pin.name}@{pin.version}"
    return {"type": "library", "bom-ref": url, "name": pin.name, "version": pin.version, "purl": url}


def _file(path: str, digest: str) -> dict[str, Any]:
    content = digest.removeprefix("sha256:")
    return {"type": "file", "bom-ref": path, "name": path, "hashes": [{"alg": "SHA-256", "content": content}]}
