"""A version's code where a stage runs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bighead_ci.delivery.stages.place import StagePlace


@contextmanager
def code_directory(place: StagePlace, files: Sequence[str]) -> Iterator[Path]:
    """A copy of the version's code, without what only the engine reads, as the working directory.

    So what model.py finds beside itself, or by a relative path, is exactly what its stage's key holds.
    """
    with TemporaryDirectory(prefix="bighead-code-") as name:
        directory = Path(name)
        for path in files:
            copy = directory / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place.path / path, copy)
        with chdir(directory):
            yield directory
