"""A runner on doubles: time stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bighead_ci.runner.canaries import Canaries
from bighead_ci.runner.checks import PullRequestChecks
from bighead_ci.runner.deliveries import Deliveries
from bighead_ci.runner.duty import Duty, Runner
from bighead_ci.runner.failure_log import FailureLog
from bighead_ci.runner.online_features import OnlineFeatures
from bighead_ci.runner.reconciliation import Reconciliation
from bighead_ci.runner.watch import Watch
from fakes.context import FakeContext
from fakes.runner import MemoryCommand, MemoryCommands, MemoryRefs, NoThreads


class Bench:
    """A context of doubles, and the runner that watches it. A new one on the same directory is a restart."""

    def __init__(self, context: FakeContext, directory: Path) -> None:
        self.context = context
        self.commands = MemoryCommands()
        self.said: list[str] = []
        self.failures = FailureLog(self.said.append)
        self.watch = Watch(context.repository, MemoryRefs(context.forge))
        shared = (context, self.watch)
        spoken = (self.failures, self.said.append)
        self.checks = PullRequestChecks(*shared, self.commands, directory, *spoken)
        self.deliveries = Deliveries(*shared, self.commands, directory, *spoken)
        self.reconciliation = Reconciliation(*shared, directory, *spoken)
        self.online_features = OnlineFeatures(*shared, self.commands, *spoken)
        self.canaries = Canaries(*shared, *spoken)

    def polls(self, *duties: Duty) -> Callable[[], None]:
        """A poll of a runner that has just these duties."""
        return self.runner(duties).poll

    def runner(self, duties: Sequence[Duty]) -> Runner:
        """A runner that has just these duties, without threads."""
        return Runner(duties, self.watch, self.context.clock, self.failures, NoThreads())

    def end(self, code: int) -> MemoryCommand:
        """The one command under way ends."""
        (command,) = self.commands.running
        command.code = code
        return command


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    """Main has `late/v1`, two environments and the project's gates; nothing is released."""
    return FakeContext(tmp_path)


@pytest.fixture
def bench(context: FakeContext, tmp_path: Path) -> Bench:
    return Bench(context, tmp_path / "runner")
