"""Whether a variant's process should be given requests, and if not, why."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Protocol

from bighead_ci.documents.live import ReplacementWish, VariantConfig
from bighead_ci.errors import InputError
from bighead_ci.serving.memory import resident_bytes, shown
from bighead_ci.serving.metrics import ServingMetrics

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
LOOKS = 2
"""How often in a row too much memory must be seen: what one request needs for a moment is nobody's leak."""
WISH_FILE = "replace.json"


class Dependant(Protocol):
    """A process that this one cannot do without."""

    @property
    def unready(self) -> str:
        """Why it cannot answer now; empty if it can."""

    @property
    def restarts(self) -> int:
        """How often it was started again."""

    @property
    def pids(self) -> list[int]:
        """It, if it lives."""

    def look(self) -> None:
        """Notice whether it has ended."""


class Health:
    """Watches the memory of a variant's process and the process of its code."""

    def __init__(self, config: VariantConfig, metrics: ServingMetrics, code: Dependant | None = None) -> None:
        self._config = config
        self._metrics = metrics
        self._code = code
        self._limit = config.memory_bytes
        self._over = 0
        """Looks in a row that found too much memory."""
        self._outgrown = ""
        self._restarts = 0
        """Of the code's process, as far as they are counted."""

    @property
    def unready(self) -> str:
        """Why it should be given no requests; empty if it should."""
        return self._outgrown or (self._code.unready if self._code is not None else "")

    def check_room(self) -> None:
        """Refuse to serve where a process that has answered nothing yet is beyond its limit.

        Raises:
            InputError: it is; says how much it takes.
        """
        taken = self._resident()
        if self._limit is not None and taken > self._limit:
            file = f"models/{self._config.model}/{self._config.version}/model.yaml"
            raise InputError(
                f"{file}: serving.memory: {shown(self._limit)} is too little: the process takes {shown(taken)} before "
                "its first request; say more than that, with room for what requests need"
            )

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Notice what is too much, or has ended.

        A process that outgrew its limit stays unready until it is replaced, whatever it takes later.
        """
        if self._code is not None:
            self._code.look()
            self._metrics.code_restarts.inc(self._code.restarts - self._restarts)
            self._restarts = self._code.restarts
        self._metrics.ready.set(not self.unready)
        taken = self._resident()
        self._metrics.memory.set(taken)
        if self._limit is None or self._outgrown:
            return
        self._over = self._over + 1 if taken > self._limit else 0
        if self._over >= LOOKS:
            self._outgrown = f"it takes {shown(taken)} of {shown(self._limit)} (serving.memory)"
            logger.error("%s: asks to be replaced", self._outgrown)
            ReplacementWish(pid=os.getpid(), reason=self._outgrown).write(self._config.directory / WISH_FILE)

    def _resident(self) -> int:
        return resident_bytes([os.getpid(), *(self._code.pids if self._code is not None else [])])
