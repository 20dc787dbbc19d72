"""Data of an earlier day, brought back from DVC's cache by its digest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from bighead_ci.documents.base import replacing
from bighead_ci.documents.stage import SourceData


def put_in_place(checkout: Path, cache: Path, wanted: Iterable[SourceData]) -> list[str]:
    """Put the data that a run.yaml chose where the stages look for it; paths of what no cache holds."""
    missing = []
    for data in wanted:
        file = checkout / data.file
        if data.file == data.path or file.exists():
            continue
        cached = cache_file(cache, data.digest)
        if not cached.is_file():
            missing.append(data.path)
            continue
        with replacing(file) as beside:
            try:
                os.link(cached, beside)
            except OSError:  # another file system
                shutil.copyfile(cached, beside)
    return missing


def cache_file(cache: Path, digest: str) -> Path:
    """Where DVC keeps the content of a digest."""
    return cache / "content" / "files" / "md5" / digest[:2] / digest[2:]
