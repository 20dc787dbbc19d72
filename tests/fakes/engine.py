"""An engine in memory: the real logic over a few made-up files, so that a test can edit a part of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from bighead_ci.documents.definition import DeclaredKind
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.planning.stages import servers_of, stages_of

KINDS: tuple[DeclaredKind | None, ...] = (None, "compiled", "python")
"""That a model.yaml may ask for."""
BASE = "from bighead_ci import errors\n"
LIBRARIES = {"training_set": "duckdb", "quality": "pandas"}
"""Entry point → the library that it imports; those that run in a lock's environment would have to be in the lock."""


def engine_files() -> dict[str, str]:
    """A file a stage, one for serving, what they share, and transforms, commands and templates that few import."""
    found = {
        "__init__.py": "",
        "errors.py": "",
        "entry_points/__init__.py": "",
        "entry_points/stages/__init__.py": "",
        "transforms/__init__.py": "",
        "transforms/scaling.py": "from bighead_ci import errors\n",
        "transforms/wavelets.py": "from bighead_ci.transforms import scaling\nimport numpy\n",
        "cli/__init__.py": "",
        "cli/ship.py": "from bighead_ci.transforms import wavelets\n",
        "reporting/template.jinja": "{{ report }}\n",
    }
    for module in [
        *(way.module for kind in KINDS for stage in stages_of(kind) for way in stage.ways),
        *(module for kind in KINDS for server in servers_of(kind).values() for module in server.modules),
    ]:
        name = module.rpartition(".")[2]
        library = f"import {LIBRARIES[name]}\n" if name in LIBRARIES else ""
        found[f"{module.removeprefix('bighead_ci.').replace('.', '/')}.py"] = BASE + library
    return found


class MemoryEngine(InstalledEngine):
    """`Engine` over texts by path."""

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        super().__init__(Path("nowhere"))
        self.files = dict(engine_files() if files is None else files)
        self._upgraded: dict[str, str] = {}
        self._python: str | None = None

    def upgraded(self, distribution: str, version: str) -> MemoryEngine:
        """The engine where another version of a library is installed."""
        other = MemoryEngine(self.files)
        other._upgraded = {**self._upgraded, distribution: version}
        return other

    def on_python(self, version: str) -> MemoryEngine:
        """The engine on another Python."""
        other = MemoryEngine(self.files)
        other._python = version
        return other

    @property
    def python(self) -> str:
        """That of the process, unless a test says otherwise."""
        return self._python or super().python

    def with_required(self, distributions: Collection[str]) -> dict[str, str]:
        """As installed, but for the upgrades."""
        found = super().with_required(distributions)
        return {name: self._upgraded.get(name, version) for name, version in found.items()}

    def edited(self, path: str, text: str = "# edited\n") -> MemoryEngine:
        """The engine after an edit or a new file."""
        return MemoryEngine({**self.files, path: self.files.get(path, "") + text})

    @property
    def _all_files(self) -> list[str]:
        return list(self.files)

    def read(self, path: str) -> bytes:
        """One file."""
        return self.files[path].encode()
