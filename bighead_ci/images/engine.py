"""Which engine a result came from: a digest over the engine's files that can change it."""

from __future__ import annotations

from pathlib import Path

import bighead_ci
from bighead_ci.documents.base import digest_of, digest_of_bytes

RESULT_FILES = (
    "documents/base.py",
    "documents/definition.py",
    "documents/artifact.py",
    "documents/record.py",
    "features/**/*.py",
    "transforms/**/*.py",
    "stores/**/*.py",
    "quality/**/*.py",
    "delivery/stages/**/*.py",
    "serving/**/*.py",
)
"""What trains, measures and serves. Planning, gates, reports and the command line change no model's answer."""


def package_directory() -> Path:
    """Where the running engine is."""
    return Path(bighead_ci.__file__).resolve().parent


def engine_digest(package: Path | None = None) -> str:
    """Digest of the result-determining files of an engine; of the running one by default."""
    root = package or package_directory()
    found = {path for pattern in RESULT_FILES for path in root.glob(pattern) if path.is_file()}
    return digest_of({path.relative_to(root).as_posix(): digest_of_bytes(path.read_bytes()) for path in sorted(found)})
