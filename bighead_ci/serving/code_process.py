"""The process that runs a version's own code, seen from the variant's process.

A process and not a thread: code that holds the interpreter (a regular expression that backtracks, a loop in C) would
stop every probe with it, and a thread that never returns cannot be ended. What it costs is in docs/benchmarks.md.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.live import CodeOrder
from bighead_ci.errors import InputError
from bighead_ci.serving.frames import DETAILS, SCORES, packed, read, receive
from bighead_ci.serving.predictor import ScoreError

logger = logging.getLogger(__name__)

LOAD_SECONDS = 80.0
"""How long it may take to import its code and to score golden rows."""
TRACE_SECONDS = 0.2
"""How long it may take to write where it hangs."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before it is started again, if it did not last so long the last time; doubled from time to time."""


def patience_seconds(deadline_ms: int) -> float:
    """How long one call may take before the process counts as stuck: its caller has left long before."""
    return 2 * deadline_ms / 1000 + 1.0


class CodeProcess:
    """Starts the process, asks it one call at a time, and starts it again when it ended or is stuck."""

    def __init__(self, order: CodeOrder, module: str, patience: float) -> None:
        """Start it, and wait until it has loaded its artifact.

        Args:
            order: What it loads.
            module: What it runs.
            patience: Seconds that one call may take.

        Raises:
            InputError: it refuses the artifact or the code, or ended over it.
        """
        self._order = order
        self._module = module
        self._patience = patience
        self._turn = asyncio.Lock()
        self._up = asyncio.Event()
        self._pause = 0.0
        self._started = 0.0
        self._reviving: asyncio.Task[None] | None = None
        self.restarts = 0
        """How often it was started again."""
        self.unready = ""
        """Why it cannot answer now; empty if it can."""
        self._process, self._connection = self._spawn()
        self._connection.settimeout(LOAD_SECONDS)
        try:
            said = receive(self._connection)
        except (EOFError, TimeoutError) as error:
            raise InputError(f"the process of its code did not load it: {self._end()}") from error
        self._require_loaded(said)
        self.manifest = ArtifactManifest.model_validate(said["manifest"])
        self.place: str = said["place"]
        """File, line and name of what scores."""
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @property
    def pids(self) -> list[int]:
        """The process, if it lives."""
        return [self._process.pid] if self._process.poll() is None else []

    async def attach(self) -> None:
        """Go on within the running event loop."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._connection)
        self._up.set()

    async def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
        """Scores of rows of inputs, in their order.

        A caller who leaves before it is his turn costs nothing; a call that was begun goes on without him.

        Raises:
            ScoreError: the code raised, answered in another shape, ended, or was stuck and stopped.
        """
        scores: list[list[float]] = await self._call(rows, SCORES)
        return scores

    async def detail_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What the code says of rows besides scores, in their order.

        Raises:
            ScoreError: as `score_rows`; or it gives something else than is declared.
        """
        details: list[dict[str, Any]] = await self._call(rows, DETAILS)
        return details

    async def _call(self, rows: Sequence[Mapping[str, Any]], asked: str) -> list[Any]:
        await self._turn.acquire()
        call = asyncio.ensure_future(self._ask(rows, asked))
        call.add_done_callback(self._asked)
        return await asyncio.shield(call)

    def look(self) -> None:
        """Notice whether it has ended."""
        if self._up.is_set() and self._reader.at_eof():
            self._replace("it ended")

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _asked(self, call: asyncio.Future[Any]) -> None:
        self._turn.release()
        if not call.cancelled():
            call.exception()  # nobody may be left to take it

    async def _ask(self, rows: Sequence[Mapping[str, Any]], asked: str) -> list[Any]:
        self.look()
        await self._up.wait()
        try:
            async with asyncio.timeout(self._patience):
                self._writer.write(packed({"rows": rows, "asked": asked}))
                await self._writer.drain()
                answer = await read(self._reader)
        except TimeoutError:
            why = f"{self.place} did not return in {self._patience:g} s; the log says where it was"
        except (asyncio.IncompleteReadError, ConnectionError):
            why = f"its process ended under a request, in {self.place}"
        else:
            if "error" in answer:
                raise ScoreError(answer["error"])
            found: list[Any] = answer[asked]
            return found
        self._replace(why)
        raise ScoreError(f"{why}; it is started again")

    def _replace(self, why: str) -> None:
        self._up.clear()
        self.unready = f"its code is started again: {why}"
        logger.error("%s", self.unready)
        self._writer.close()
        self.restarts += 1
        self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        """End what is left of it and start it again, with longer and longer pauses if it does not last."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(TRACE_SECONDS)
        while True:
            self._process.kill()
            ended = await asyncio.get_running_loop().run_in_executor(None, self._process.wait)
            logger.error("the process of its code ended: %s", _ending(ended))
            lasted = time.monotonic() - self._started
            self._pause = 0.0 if lasted > LONGEST_PAUSE else min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            await asyncio.sleep(self._pause)
            self._process, self._connection = self._spawn()
            try:
                async with asyncio.timeout(LOAD_SECONDS):
                    self._reader, self._writer = await asyncio.open_unix_connection(sock=self._connection)
                    self._require_loaded(await read(self._reader))
            except (InputError, asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
                self.unready = f"its code cannot be started again: {error}"
                logger.warning("%s", self.unready)
                continue
            self.unready = ""
            self._up.set()
            return

    def _spawn(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        self._started = time.monotonic()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", self._module, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        ours.sendall(packed(self._order.model_dump(mode="json")))
        return process, ours

    def _require_loaded(self, said: dict[str, Any]) -> None:
        if "refused" in said:
            raise InputError(said["refused"])

    def _end(self) -> str:
        self._process.kill()
        return f"{_ending(self._process.wait())}; its log says more"


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
