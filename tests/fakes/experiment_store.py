"""An experiment store in memory, with the rules of the real one; files are copied below a directory."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from bighead_ci.documents.experiment import Experiment


class MemoryExperimentStore:
    """Keeps experiments in order of saving."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept: dict[str, Experiment] = {}
        self._saving = threading.Lock()

    def save(self, experiment: Experiment, files: Mapping[str, Path]) -> Experiment:
        with self._saving:
            for known in self.of_base(experiment.base):
                if known.content_key == experiment.content_key:
                    return known
            saved = experiment.model_copy(update={"run_id": f"experiment{len(self._kept)}"})
            for name, source in files.items():
                path = self._directory / saved.run_id / name
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, path)
            self._kept[saved.run_id] = saved
            return saved

    def of_base(self, base: str) -> list[Experiment]:
        return [one for one in self._kept.values() if one.base == base]

    def by_content_key(self, content_key: str) -> Experiment | None:
        return next((one for one in reversed(self._kept.values()) if one.content_key == content_key), None)

    def file(self, run_id: str, name: str) -> Path | None:
        path = self._directory / run_id / name
        return path if run_id in self._kept and path.exists() else None

    def command(self) -> str:
        return f"show {self._directory}"
