"""An object store in memory, which can be out of reach."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.documents.base import write_atomically
from bighead_ci.errors import RetryError
from bighead_ci.stores.object_names import checked


class MemoryObjectStore:
    """`ObjectStore` over a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.out_of_reach = False

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object."""
        self._answer()
        self.objects[checked(name)] = content if isinstance(content, bytes) else content.read_bytes()

    def read(self, name: str) -> bytes:
        """What an object holds."""
        self._answer()
        return self.objects[checked(name)]

    def get(self, name: str, into: Path) -> None:
        """Write what an object holds to a file."""
        write_atomically(into, self.read(name))

    def has(self, name: str) -> bool:
        """Whether there is an object of that name."""
        self._answer()
        return checked(name) in self.objects

    def names(self, folder: str = "") -> list[str]:
        """Names of all objects below a folder, sorted."""
        self._answer()
        return sorted(name for name in self.objects if not folder or name.startswith(f"{checked(folder)}/"))

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._answer()
        self.objects.pop(checked(name), None)

    def _answer(self) -> None:
        if self.out_of_reach:
            raise RetryError("the object store in memory is out of reach")
