"""Callers of a model behind a Gateway: they ask without pause, and remember when which version answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx


class Answers:
    """What callers were answered."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        """`<status> <version>`, or the failure's name → how often."""
        self.last: dict[str, float] = {}
        """Version → when it answered last, by the machine's monotonic clock."""
        self.failures: list[tuple[float, str]] = []
        """When, and in the gateway's words why."""
        self._lock = threading.Lock()

    @property
    def failed(self) -> int:
        """Requests without a good answer."""
        return sum(count for what, count in self.seen.items() if not what.startswith("200"))

    def note(self, what: str, version: str | None, words: str = "") -> None:
        """One answer."""
        now = time.monotonic()
        with self._lock:
            self.seen[what] += 1
            if version:
                self.last[version] = now
            if not what.startswith("200"):
                self.failures.append((now, words))


@contextmanager
def asking(url: str, host: str, model: str = "tiny", callers: int = 4, pause: float = 0.0) -> Iterator[Answers]:
    """Predict until the block ends."""
    answers, stop = Answers(), threading.Event()

    def call() -> None:
        with httpx.Client(timeout=10, trust_env=False, headers={"host": host}) as client:
            while not stop.is_set():
                try:
                    answer = client.post(f"{url}/{model}/predict", json={})
                    version = answer.headers.get("x-bighead-version")
                    answers.note(f"{answer.status_code} {version}", version, answer.text)
                except httpx.HTTPError as error:
                    answers.note(type(error).__name__, None, str(error))
                time.sleep(pause)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
