"""One variant, seen from the platform, whatever it runs in."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import httpx

from bighead_ci.documents.base import Document
from bighead_ci.documents.live import (
    RESTARTS_FILE,
    LiveVariant,
    ReplacementWish,
    Restarts,
    ServingProcess,
    VariantConfig,
)
from bighead_ci.errors import InputError, RetryError
from bighead_ci.platforms.http_client import process_client
from bighead_ci.platforms.restarts import counted
from bighead_ci.platforms.runtime import Instance, Runtime

EXIT_HINT = "it ended without saying why"
LAST_LINES = 12
PROCESS_FILE, WISH_FILE, REFUSAL_FILE = "process.json", "replace.json", "refusal.txt"
"""What it says of itself."""
READY_SECONDS = 90.0
"""How long a process may take from its start to being ready."""
RESTART_SECONDS = 10.0
"""How long after its start a process that refused to serve is left alone."""
HUNG_SECONDS = 10.0
"""How long a process that was ready may leave every probe without an answer."""
LOOK_SECONDS = 20.0
"""Probes that lie further apart say nothing of the time between them."""
STOP_SECONDS = 5.0
"""How long one that is not ready in time may take to end."""


class RunningVariant:
    """Starts, watches and stops one variant; its directory holds all that is known of it."""

    def __init__(self, directory: Path, runtime: Runtime) -> None:
        self.directory = directory
        self.name = directory.name
        self.runtime = runtime
        self._config_file = directory / "variant.json"
        self._silence_file = directory / "silence.json"
        self._restarts_file = directory / RESTARTS_FILE
        self._serving_file = runtime.said / PROCESS_FILE
        self._wish_file = runtime.said / WISH_FILE
        self._refusal_file = runtime.said / REFUSAL_FILE

    def config(self) -> VariantConfig | None:
        """What it was told."""
        with suppress(OSError, ValueError):
            return VariantConfig.read(self._config_file)
        return None

    def ended(self) -> bool:
        """Whether it was started and has ended by itself."""
        return self.runtime.ended()

    def serving(self) -> ServingProcess | None:
        """Where it says it listens, as seen from here; stale if it is dead."""
        with suppress(OSError, ValueError):
            return self.runtime.reached(ServingProcess.read(self._serving_file))
        return None

    def answering(self) -> ServingProcess | None:
        """The same of one that lives."""
        serving, instance = self.serving(), self.runtime.find()
        return serving if serving and instance and serving.pid == instance.pid else None

    def restarts(self) -> Restarts:
        """How often it was started again."""
        with suppress(OSError, ValueError):
            return Restarts.read(self._restarts_file)
        return Restarts()

    def wish(self) -> str:
        """Why it asks to be replaced; empty if it does not."""
        with suppress(OSError, ValueError):
            wish, instance = ReplacementWish.read(self._wish_file), self.runtime.find()
            return wish.reason if instance and wish.pid == instance.inside else ""
        return ""

    def fault(self) -> str:
        """Why one that was ready once is to be started again; empty if it is not."""
        serving = self.serving()
        if serving is None:
            return ""
        if self.runtime.find() is None:
            return f"it ended: {self.reason()}"
        return self.wish() or self._hung(serving)

    def set_aside(self) -> None:
        """Keep what runs, which still answers, until `dismiss`; `start` then starts its successor."""
        self.dismiss(STOP_SECONDS)
        self.runtime.set_aside()

    def count_restart(self, reason: str) -> None:
        """Remember that it is started again."""
        counted(self.restarts(), reason, time.time()).write(self._restarts_file)

    def leaves(self) -> bool:
        """Whether the one before it still answers."""
        return self.runtime.leaves()

    def dismiss(self, grace_seconds: float) -> None:
        """Stop the one that was set aside; it answers what it has and writes its log first."""
        self.runtime.dismiss(grace_seconds)

    def start(self, config: VariantConfig, launch: Callable[[], None]) -> None:
        """Start it; what was said by the one before is forgotten first."""
        for file in (self._serving_file, self._wish_file, self._silence_file, self._refusal_file):
            file.unlink(missing_ok=True)
        config.write(self._config_file)
        launch()

    def await_ready(self, wait_seconds: float) -> ServingProcess | None:
        """Poll, ever slower, until it answers ready; None if the wait is over first.

        Raises:
            InputError: it ended; carries its own last words.
            RetryError: it did not listen `READY_SECONDS` after its start, and was stopped.
        """
        deadline = time.monotonic() + wait_seconds
        pause = 0.02
        while True:
            instance = self.runtime.find()
            serving = self.serving()
            if instance is None:
                raise InputError(f"{self.name} refuses to serve: {self.reason()}")
            if serving is not None and serving.pid == instance.pid and not self._unready(serving):
                return serving
            if serving is None and self._age() > READY_SECONDS:
                words = self.runtime.last_words(3)
                self.runtime.stop(STOP_SECONDS)
                raise RetryError(f"{self.name} was not ready in {READY_SECONDS:.0f} s: {words}")
            if time.monotonic() >= deadline:
                return None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)

    def refused_lately(self) -> bool:
        """Whether it ended without ever having been ready, so that starting it again at once would be in vain."""
        return self.runtime.started() and self.serving() is None and self._age() < RESTART_SECONDS

    def reason(self) -> str:
        """Why it ended: what the system knows, else its own last words."""
        if cause := self.runtime.cause():
            return cause
        with suppress(OSError):
            return self._refusal_file.read_text(encoding="utf-8")
        return self.runtime.last_words(LAST_LINES) or EXIT_HINT

    def stop(self, grace_seconds: float) -> None:
        """Stop it; it answers what it has and writes its log first."""
        self.runtime.stop(grace_seconds)
        self._serving_file.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget a stopped one; the end of its log stays beside the others."""
        kept = self.directory.parent / ".stopped"
        kept.mkdir(exist_ok=True)
        with suppress(OSError):
            self.runtime.log.replace(kept / f"{self.name}.log")
        shutil.rmtree(self.directory, ignore_errors=True)

    def observe(self) -> tuple[VariantConfig | None, LiveVariant | None]:
        """What it is and how it does; the weight is the router's to say."""
        config = self.config()
        if config is None:
            return None, None
        restarts = self.restarts()
        instance: Instance | None = None
        serving: ServingProcess | None = None
        state: Literal["starting", "ready", "unready", "dead"]
        try:
            instance, serving = self.runtime.find(), self.serving()
            state, reason = self._state(instance, serving)
        except RetryError as error:
            state, reason = "dead", str(error)
        live = LiveVariant(
            name=self.name,
            version=config.version,
            image=config.image,
            artifact=config.artifact,
            state=state,
            weight=0,
            pid=instance.pid if instance else None,
            port=serving.port if serving and instance else None,
            reason=reason,
            restarts=restarts.count,
            restarted=restarts.reason,
        )
        return config, live

    def _age(self) -> float:
        """Seconds since it was last told to start."""
        return time.time() - self._config_file.stat().st_mtime

    def _state(
        self, instance: Instance | None, serving: ServingProcess | None
    ) -> tuple[Literal["starting", "ready", "unready", "dead"], str]:
        """How it does, and why."""
        if instance is None:
            return "dead", self.reason()
        if serving is None or serving.pid != instance.pid:
            return "starting", ""
        reason = self._unready(serving)
        return ("unready" if reason else "ready"), reason

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
