"""Bytes by name, shared by machines."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class ObjectStore(Protocol):
    """Whole objects by name: `artifacts/sha256-…/model.onnx`.

    A name is parts of ASCII letters, digits and `._=+-` with slashes between; no part starts with a dot, and no object
    has the name of another's folder. An object is written whole: whoever reads sees all of what was there before, or
    all of the new one, and sees the new one from the return of the call that wrote it. Of two writers at once the last
    wins; there is no conditional write, so what several may write at once has a name that tells its content. A writer
    that is killed leaves no object.

    Calls try again for a while by themselves where that may help.

    Raises:
        RetryError: from every call: the store does not answer, or has no room.
        InputError: from every call: the store refuses our credentials, or has no such bucket; the name is none.
    """

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object: bytes, or what a file holds."""

    def read(self, name: str) -> bytes:
        """What an object holds.

        Raises:
            KeyError: there is none of that name.
        """

    def get(self, name: str, into: Path) -> None:
        """Write what an object holds to a file, whole or not at all; its directory is made.

        Raises:
            KeyError: there is none of that name.
        """

    def has(self, name: str) -> bool:
        """Whether there is an object of that name."""

    def names(self, folder: str = "") -> list[str]:
        """Names of all objects below a folder (`a/b`; all, without one), in folders of it too, sorted."""

    def delete(self, name: str) -> None:
        """Remove an object, if there is one."""
