"""What a runner works with, in memory: commands that end when a test says so, refs, and threads that are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from fakes.forge import MemoryForge

P = ParamSpec("P")
T = TypeVar("T")


class MemoryCommand:
    """A command; a test ends it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = list(arguments)
        self.code: int | None = None

    def exit_code(self) -> int | None:
        """What the test said."""
        return self.code


class MemoryCommands:
    """Implements `runner.commands.Commands`; `started` has every command in order."""

    def __init__(self) -> None:
        self.started: list[MemoryCommand] = []

    def start(self, name: str, arguments: Sequence[str]) -> MemoryCommand:
        """Remember it; it runs until a test ends it."""
        assert name
        self.started.append(MemoryCommand(arguments))
        return self.started[-1]

    def log_of(self, name: str) -> str:
        """A name for its log."""
        return f"{name}.log"

    @property
    def running(self) -> list[MemoryCommand]:
        """What was not ended yet."""
        return [command for command in self.started if command.code is None]


class MemoryRefs:
    """Implements `runner.watch.Refs` by comparing all branches, pull requests and checks."""

    def __init__(self, forge: MemoryForge) -> None:
        self._forge = forge
        self._seen: Any = None

    def moved(self) -> bool:
        """Whether something is not as it was."""
        forge = self._forge
        pulls = [forge.get(pull.number) for pull in forge.find()]
        now = (dict(forge.repository.branches), pulls, dict(forge.said))
        moved = bool(now != self._seen)
        self._seen = now
        return moved


class NoThreads(Executor):
    """Runs what is submitted at once."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it."""
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future keeps whatever was raised
            done.set_exception(error)
        return done
