"""What every document shares: frozen, no unknown fields, canonical JSON and a digest of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Self
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A model, feature set, source, environment or gate: lower-case snake case, at most 63 characters."""
Version = Annotated[str, StringConstraints(pattern=r"^v[1-9][0-9]{0,5}$")]
"""`v1`, `v2`, …"""
Percent = Annotated[int, Field(ge=0, le=100)]
"""A share of the traffic."""
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""Content digest, `sha256:` and 64 hex digits."""
CommitId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
Moment = AwareDatetime
"""A point in time with its zone."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_us(moment: datetime) -> int:
    """A moment in UTC microseconds since 1970, the unit of every time inside."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970.

    Raises:
        OverflowError: it is beyond the year 9999 or before the year 1.
    """
    return _EPOCH + timedelta(microseconds=microseconds)


class Document(BaseModel):
    """A frozen value that can be written as JSON and read back equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the document from a JSON file."""
        return cls.model_validate_json(path.read_bytes())

    def write(self, path: Path) -> None:
        """Write the document as JSON; a reader never sees half a file."""
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file; a reader sees what was there or all of it."""
    with replacing(path) as beside:
        beside.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place if the block ends well.

    A reader sees what was there or all of it, and so does one of two writers at once: the last to end wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, the form that digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """`sha256:…` of a value's canonical JSON."""
    # JSON can spell half a surrogate pair, which is no UTF-8; it has a digest all the same.
    return digest_of_bytes(canonical_json(value).encode(errors="surrogatepass"))


def digest_of_bytes(data: bytes) -> str:
    """`sha256:…` of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def short(digest: str) -> str:
    """A digest, an image's reference or a commit id as people read it: the first twelve hex digits."""
    return digest.rpartition("sha256:")[2][:12]
