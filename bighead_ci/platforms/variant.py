"""One variant's process, seen from the platform."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import httpx
import psutil

from bighead_ci.documents.base import Document
from bighead_ci.documents.image import LocalImage
from bighead_ci.documents.live import (
    RESTARTS_FILE,
    LiveVariant,
    ReplacementWish,
    Restarts,
    ServingProcess,
    VariantConfig,
)
from bighead_ci.errors import InputError, RetryError
from bighead_ci.planning.stages import SERVING_ENTRY_POINT
from bighead_ci.platforms.http_client import process_client
from bighead_ci.platforms.restarts import counted
from bighead_ci.processes import LOCALE, find_process, last_words, recorded_process, start_detached, stop_process

EXIT_HINT = "it ended without saying why"
READY_SECONDS = 90.0
"""How long a process may take from its start to being ready."""
RESTART_SECONDS = 10.0
"""How long after its start a process that refused to serve is left alone."""
HUNG_SECONDS = 10.0
"""How long a process that was ready may leave every probe without an answer."""
LOOK_SECONDS = 20.0
"""Probes that lie further apart say nothing of the time between them."""
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
        self._leaving_file = directory / "leaving.json"
        """The process before, while it answers until its successor does."""
        self._serving_file = directory / "process.json"
        self._wish_file = directory / "replace.json"
        self._silence_file = directory / "silence.json"
        self._restarts_file = directory / RESTARTS_FILE
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
            return ServingProcess.read(self._serving_file)
        return None

    def restarts(self) -> Restarts:
        """How often it was started again."""
        with suppress(OSError, ValueError):
            return Restarts.read(self._restarts_file)
        return Restarts()

    def wish(self) -> str:
        """Why it asks to be replaced; empty if it does not."""
        with suppress(OSError, ValueError):
            wish = ReplacementWish.read(self._wish_file)
            return wish.reason if wish.pid == self.pid() else ""
        return ""

    def fault(self) -> str:
        """Why a process that was ready once is to be started again; empty if it is not."""
        serving = self.serving()
        if serving is None:
            return ""
        process = self._find()
        if process is None:
            return f"it ended: {self.reason()}"
        return self.wish() or self._hung(serving)

    def set_aside(self) -> None:
        """Keep the process, which still answers, until `dismiss`; `start` then starts its successor."""
        self.dismiss(STOP_SECONDS)
        self._pid_file.replace(self._leaving_file)

    def count_restart(self, reason: str) -> None:
        """Remember that it is started again."""
        counted(self.restarts(), reason, time.time()).write(self._restarts_file)

    def leaves(self) -> bool:
        """Whether a process before it still answers."""
        return recorded_process(self._leaving_file) is not None

    def dismiss(self, grace_seconds: float) -> None:
        """Stop the process that was set aside; it answers what it has and writes its log first."""
        process = recorded_process(self._leaving_file)
        if process is not None:
            stop_process(process, grace_seconds)
        self._leaving_file.unlink(missing_ok=True)

    def start(self, config: VariantConfig, image: LocalImage) -> None:
        """Start it with the engine of its image, without any of this process's secrets."""
        left = (self._pid_file, self._serving_file, self._wish_file, self._silence_file, self.directory / "refusal.txt")
        for file in left:
            file.unlink(missing_ok=True)
        config.write(self._config_file)
        # Its own, so that what it leaves when it is killed goes with it.
        scratches = self.directory / "tmp"
        if not self.leaves():
            shutil.rmtree(scratches, ignore_errors=True)
        scratches.mkdir(exist_ok=True)
        scratch = tempfile.mkdtemp(dir=scratches)
        environment = {
            "TMPDIR": scratch,
            "PYTHONPATH": str(image.engine),
            "PYTHONPYCACHEPREFIX": str(self._bytecode),
            "PYTHONUNBUFFERED": "1",
            "NUMBA_CACHE_DIR": str(self._bytecode / "numba"),
            "OMP_NUM_THREADS": "1",
            "LC_ALL": LOCALE,
            "BENTOML_HOME": f"{scratch}/bentoml",
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
            if serving is not None and serving.pid == process.pid and not self._unready(serving):
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
        self._serving_file.unlink(missing_ok=True)

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
        process, serving, restarts = self._find(), self.serving(), self.restarts()
        reason = ""
        state: Literal["starting", "ready", "unready", "dead"]
        if process is None:
            state, reason = "dead", self.reason()
        elif serving is None or serving.pid != process.pid:
            state = "starting"
        else:
            reason = self._unready(serving)
            state = "unready" if reason else "ready"
        live = LiveVariant(
            name=self.name,
            version=config.version,
            image=config.image,
            artifact=config.artifact,
            state=state,
            weight=0,
            pid=process.pid if process else None,
            port=serving.port if serving and process else None,
            reason=reason,
            restarts=restarts.count,
            restarted=restarts.reason,
        )
        return config, live

    def _age(self) -> float:
        """Seconds since it was last told to start."""
        return time.time() - self._config_file.stat().st_mtime

    def _find(self) -> psutil.Process | None:
        process = find_process(self._pid_file, str(self._config_file))
        leaving = recorded_process(self._leaving_file)
        return None if leaving is not None and leaving == process else process

    def _unready(self, serving: ServingProcess) -> str:
        """Why it is not ready, by itself or because it says nothing; empty if it is."""
        try:
            answer = process_client().get(f"http://127.0.0.1:{serving.port}/readyz")
        except httpx.HTTPError:
            now = time.time()
            before = self._silence()
            lasting = before is not None and before.pid == serving.pid and now - before.until < LOOK_SECONDS
            since = before.since if before is not None and lasting else now
            _Silence(pid=serving.pid, since=since, until=now).write(self._silence_file)
            return f"it has not answered for {now - since:.0f} s"
        self._silence_file.unlink(missing_ok=True)
        return "" if answer.is_success else _words(answer)

    def _hung(self, serving: ServingProcess) -> str:
        silence = self._silence()
        if silence is None or silence.pid != serving.pid or silence.until - silence.since < HUNG_SECONDS:
            return ""
        return self._unready(serving) and f"it did not answer for {silence.until - silence.since:.0f} s"

    def _silence(self) -> _Silence | None:
        with suppress(OSError, ValueError):
            return _Silence.read(self._silence_file)
        return None


class _Silence(Document):
    """Probes in a row that nobody answered; seconds since 1970."""

    pid: int
    since: float
    until: float


def _words(answer: httpx.Response) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(answer.json()["error"])
    return f"it answers {answer.status_code}"
