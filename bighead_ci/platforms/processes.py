"""A variant as a process of this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from bighead_ci.documents.image import LocalImage
from bighead_ci.documents.live import ServingProcess, VariantConfig
from bighead_ci.errors import InputError
from bighead_ci.planning.stages import SERVING_ENTRY_POINT
from bighead_ci.platforms.runtime import Instance
from bighead_ci.processes import LOCALE, find_process, last_words, recorded_process, start_detached, stop_process
from bighead_ci.serving_environment import serving_environment

OpenImage = Callable[[str], LocalImage | None]
"""The image of a reference, verified, ready to run; None if it is missing or damaged."""


class ProcessRuntime:
    """Starts, finds and ends the process of one variant; see the port.

    Args:
        directory: The variant's.
        open_image: Finds its image.
        bytecode: Where Python keeps what it compiled, for all variants.
    """

    def __init__(self, directory: Path, open_image: OpenImage, bytecode: Path) -> None:
        self.said = directory
        self.log = directory / "log.txt"
        self._directory = directory
        self._open_image = open_image
        self._bytecode = bytecode
        self._config_file = directory / "variant.json"
        self._pid_file = directory / "pid.json"
        self._leaving_file = directory / "leaving.json"
        """The process before, while it answers until its successor does."""

    def used(self) -> bool:
        """Whether a process was started for this directory and not stopped since."""
        return self._pid_file.exists() or self._leaving_file.exists()

    def prepare(self, config: VariantConfig) -> Callable[[], None]:
        """Open the image; what is answered starts a process with the engine that is in it."""
        image = self._open_image(config.image)
        if image is None:
            raise InputError(f"image {config.image} of {config.variant} is missing or damaged")
        return partial(self._start, image)

    def _start(self, image: LocalImage) -> None:
        """Start it without any of this process's secrets."""
        # Its own, so that what it leaves when it is killed goes with it.
        scratches = self._directory / "tmp"
        if not self.leaves():
            shutil.rmtree(scratches, ignore_errors=True)
        scratches.mkdir(exist_ok=True)
        scratch = tempfile.mkdtemp(dir=scratches)
        environment = serving_environment(scratch, str(self._bytecode))
        environment |= {"LC_ALL": LOCALE, "PYTHONPATH": str(image.engine)}
        module = image.manifest.entry_point or SERVING_ENTRY_POINT
        command = [str(image.interpreter), "-P", "-m", module, str(self._config_file), str(image.code)]
        start_detached(
            command, pid_file=self._pid_file, log=self.log, environment=environment, directory=self._directory
        )

    def find(self) -> Instance | None:
        """The living process."""
        process = self._find()
        return Instance(process.pid, process.pid) if process else None

    def started(self) -> bool:
        """Whether one was started and not stopped since."""
        return self._pid_file.exists()

    def ended(self) -> bool:
        """Whether it was started and its process has ended."""
        return self._pid_file.exists() and recorded_process(self._pid_file) is None

    def reached(self, serving: ServingProcess) -> ServingProcess:
        """As it says."""
        return serving

    def set_aside(self) -> None:
        """Keep the process until `dismiss`."""
        self._pid_file.replace(self._leaving_file)

    def leaves(self) -> bool:
        """Whether a process before it still answers."""
        return recorded_process(self._leaving_file) is not None

    def dismiss(self, grace_seconds: float) -> None:
        """Stop the process that was set aside."""
        process = recorded_process(self._leaving_file)
        if process is not None:
            stop_process(process, grace_seconds)
        self._leaving_file.unlink(missing_ok=True)

    def stop(self, grace_seconds: float) -> None:
        """Stop the process."""
        process = self._find()
        if process is not None:
            stop_process(process, grace_seconds)
        self._pid_file.unlink(missing_ok=True)

    def cause(self) -> str:
        """Nothing: nobody waited for it."""
        return ""

    def last_words(self, lines: int) -> str:
        """The end of its log."""
        return last_words(self.log, lines)

    def _find(self) -> psutil.Process | None:
        process = find_process(self._pid_file, str(self._config_file))
        leaving = recorded_process(self._leaving_file)
        return None if leaving is not None and leaving == process else process
