"""The image of all our containers: empty. Everybody makes the same one, so an engine has it once."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile

NAME = "bighead-sandbox:empty"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NO_FILES = bytes(1024)
"""A tar archive of nothing."""


def archive() -> bytes:
    """What `docker image load` reads, as `docker image save` writes it."""
    layer = f"sha256:{hashlib.sha256(_NO_FILES).hexdigest()}"
    config = {
        "architecture": _ARCHITECTURES[platform.machine()],
        "config": {},
        "created": "1970-01-01T00:00:00Z",
        "os": "linux",
        "rootfs": {"diff_ids": [layer], "type": "layers"},
    }
    described = json.dumps(config).encode()
    name = f"{hashlib.sha256(described).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "Layers": ["layer.tar"], "RepoTags": [NAME]}]).encode()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as files:
        for path, data in ((name, described), ("layer.tar", _NO_FILES), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            files.addfile(entry, io.BytesIO(data))
    return content.getvalue()
