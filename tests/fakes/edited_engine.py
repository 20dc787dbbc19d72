"""The running engine as it would be after an edit, without a copy of it."""

from __future__ import annotations

from bighead_ci.engine.installed import InstalledEngine


class EditedEngine(InstalledEngine):
    """The installed engine with one file changed or added; what it imports stays."""

    def __init__(self, original: InstalledEngine, path: str) -> None:
        super().__init__(original.package)
        self._imports = original._imports
        self.path = path
        self.original = original

    @property
    def _all_files(self) -> list[str]:
        found = self.original._all_files
        return found if self.path in found else [*found, self.path]

    def read(self, path: str) -> bytes:
        """One file."""
        if path != self.path:
            return self.original.read(path)
        try:
            return self.original.read(path) + b"# edited\n"
        except KeyError:
            return b"# new\n"
