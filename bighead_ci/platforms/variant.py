"""One variant's process, seen from the platform."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import httpx
import psutil

from bighead_ci.documents.image import LocalImage
from bighead_ci.documents.live import LiveVariant, ServingProcess, VariantConfig
from bighead_ci.errors import InputError, RetryError
from bighead_ci.planning.stages import SERVING_ENTRY_POINT
from bighead_ci.platforms.http_client import process_client
from bighead_ci.processes import LOCALE, find_process, last_words, recorded_process, start_detached, stop_process

EXIT_HINT = "it ended without saying why"
READY_SECONDS = 90.0
"""How long a process may take from its start to being ready."""
RESTART_SECONDS = 10.0
"""How long after its start a process that refused to serve is left alone."""
STOP_SECONDS = 5.0
"""How long a process that is not ready in time may take to end."""


class VariantProcess:
    """Starts, watches and stops the process of one variant; its directory holds all that is known of it."""

    def __init__(self, directory: Path, bytecode: Path) -> None:
        self.directory = directory
        self.name = directory.name
        self._bytecode = bytecode
        self._config_file = directory / "variant.json"
        self._pid_file = directory / "pid.json"
        self._log = directory / "log.txt"

    def config(self) -> VariantConfig | None:
        """What the process was told."""
        with suppress(OSError, ValueError):
            return VariantConfig.read(self._config_file)
        return None

    def pid(self) -> int | None:
        """The living process."""
        process = self._find()
        return process.pid if process else None

    def ended(self) -> bool:
        """Whether it was started and its process has ended."""
        return self._pid_file.exists() and recorded_process(self._pid_file) is None

    def serving(self) -> ServingProcess | None:
        """Where it says it listens; stale if the process is dead."""
        with suppress(OSError, ValueError):
            return ServingProcess.read(self.directory / "process.json")
        return None

    def start(self, config: VariantConfig, image: LocalImage) -> None:
        """Start it with the engine of its image, without any of this process's secrets."""
        for file in (self._pid_file, self.directory / "process.json", self.directory / "refusal.txt"):
            file.unlink(missing_ok=True)
        config.write(self._config_file)
        # Its own, so that what it leaves when it is killed goes with it.
        scratch = self.directory / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        environment = {
            "TMPDIR": str(scratch),
            "PYTHONPATH": str(image.engine),
            "PYTHONPYCACHEPREFIX": str(self._bytecode),
            "PYTHONUNBUFFERED": "1",
            "NUMBA_CACHE_DIR": str(self._bytecode / "numba"),
            "OMP_NUM_THREADS": "1",
            "LC_ALL": LOCALE,
            "BENTOML_HOME": str(self.directory / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "DO_NOT_TRACK": "1",
        }
        module = image.manifest.entry_point or SERVING_ENTRY_POINT
        command = [str(image.interpreter), "-P", "-m", module, str(self._config_file), str(image.code)]
        start_detached(
            command, pid_file=self._pid_file, log=self._log, environment=environment, directory=self.directory
        )

    def await_ready(self, wait_seconds: float) -> ServingProcess | None:
        """Poll, ever slower, until it answers ready; None if the wait is over first.

        Raises:
            InputError: it ended; carries its own last words.
            RetryError: it did not listen `READY_SECONDS` after its start, and was stopped.
        """
        deadline = time.monotonic() + wait_seconds
        pause = 0.02
        while True:
            process = self._find()
            serving = self.serving()
            if process is None:
                raise InputError(f"{self.name} refuses to serve: {self.reason()}")
            if serving is not None and serving.pid == process.pid and self._ready(serving):
                return serving
            if serving is None and self._age() > READY_SECONDS:
                stop_process(process, STOP_SECONDS)
                raise RetryError(f"{self.name} was not ready in {READY_SECONDS:.0f} s: {last_words(self._log, 3)}")
            if time.monotonic() >= deadline:
                return None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)

    def refused_lately(self) -> bool:
        """Whether it ended without ever having been ready, so that starting it again at once would be in vain."""
        return self._pid_file.exists() and self.serving() is None and self._age() < RESTART_SECONDS

    def reason(self) -> str:
        """Its own last words."""
        with suppress(OSError):
            return (self.directory / "refusal.txt").read_text(encoding="utf-8")
        return last_words(self._log) or EXIT_HINT

    def stop(self, grace_seconds: float) -> None:
        """Stop it; it answers what it has and writes its log first."""
        process = self._find()
        if process is not None:
            stop_process(process, grace_seconds)
        self._pid_file.unlink(missing_ok=True)
        (self.directory / "process.json").unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget a stopped process; the end of its log stays beside the others."""
        kept = self.directory.parent / ".stopped"
        kept.mkdir(exist_ok=True)
        with suppress(OSError):
            self._log.replace(kept / f"{self.name}.log")
        shutil.rmtree(self.directory, ignore_errors=True)

    def observe(self) -> tuple[VariantConfig | None, LiveVariant | None]:
        """What it is and how it does; the weight is the router's to say."""
        config = self.config()
        if config is None:
            return None, None
        process, serving = self._find(), self.serving()
        state: Literal["starting", "ready", "unready", "dead"]
        if process is None:
            state = "dead"
        elif serving is None or serving.pid != process.pid:
            state = "starting"
        else:
            state = "ready" if self._ready(serving) else "unready"
        live = LiveVariant(
            name=self.name,
            version=config.version,
            image=config.image,
            artifact=config.artifact,
            state=state,
            weight=0,
            pid=process.pid if process else None,
            port=serving.port if serving and process else None,
            reason=self.reason() if process is None else "",
        )
        return config, live

    def _age(self) -> float:
        """Seconds since it was last told to start."""
        return time.time() - self._config_file.stat().st_mtime

    def _find(self) -> psutil.Process | None:
        return find_process(self._pid_file, str(self._config_file))

    def _ready(self, serving: ServingProcess) -> bool:
        try:
            answer = process_client().get(f"http://127.0.0.1:{serving.port}/readyz")
        except httpx.HTTPError:
            return False
        return answer.is_success
