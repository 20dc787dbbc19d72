"""Each model's part of a pass, beside the others'; what takes long goes on while later passes look after the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

MOST_AT_ONCE = 32
"""Models that are worked on at the same time."""

Place = tuple[str, str]
"""Environment and model."""
T = TypeVar("T")


class Workers(Generic[T]):
    """Does one thing at a time for each place. Used by one thread.

    Args:
        patience_seconds: How long `each` waits for what it started; None: until all of it is done.
    """

    def __init__(self, patience_seconds: float | None = None) -> None:
        self._patience = patience_seconds
        self._quick = ThreadPoolExecutor(MOST_AT_ONCE)
        self._slow = ThreadPoolExecutor(MOST_AT_ONCE)
        self._under_way: dict[Place, Future[T]] = {}

    @property
    def busy(self) -> list[Place]:
        """Places that something is done for, or was done for since `each` was called last."""
        return sorted(self._under_way)

    def each(self, tasks: Mapping[Place, Callable[[], T]], *, slow: bool) -> list[T]:
        """Start a task a place, none of which may be busy; results of all that is done by now, by earlier calls too.

        However many slow tasks are under way, they hold up none of the others.
        """
        pool = self._slow if slow else self._quick
        started = {place: pool.submit(task) for place, task in tasks.items()}
        self._under_way |= started
        wait(started.values(), self._patience)
        done = [place for place, task in self._under_way.items() if task.done()]
        return [self._under_way.pop(place).result() for place in done]
