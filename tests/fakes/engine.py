"""An engine in memory: the real logic over a few made-up files, so that a test can edit a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.planning.stages import SERVING_ENTRY_POINT, STAGES

BASE = "from bighead_ci import errors\n"


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
    for module in [*(stage.module for stage in STAGES), SERVING_ENTRY_POINT]:
        found[f"{module.removeprefix('bighead_ci.').replace('.', '/')}.py"] = BASE
    return found


class MemoryEngine(InstalledEngine):
    """`Engine` over texts by path."""

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        super().__init__(Path("nowhere"))
        self.files = dict(engine_files() if files is None else files)

    def edited(self, path: str, text: str = "# edited\n") -> MemoryEngine:
        """The engine after an edit or a new file."""
        return MemoryEngine({**self.files, path: self.files.get(path, "") + text})

    @property
    def _all_files(self) -> list[str]:
        return list(self.files)

    def read(self, path: str) -> bytes:
        """One file."""
        return self.files[path].encode()
