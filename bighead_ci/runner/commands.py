"""Commands that the runner starts as processes of their own, and what their exit codes ask for."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Literal, Protocol

from bighead_ci.errors import InputError, Remedy, RetryError

Advice = Literal["done"] | Remedy


class Command(Protocol):
    """A command under way."""

    def exit_code(self) -> int | None:
        """Its exit code, negative if a signal ended it; None while it runs."""


class Commands(Protocol):
    """Starts `bighead` commands in the workspace."""

    def start(self, name: str, arguments: Sequence[str]) -> Command:
        """Start one; its output goes to the log of that name."""

    def log_of(self, name: str) -> str:
        """Where that output is, for people."""


REFUSED = 1
"""The command worked and said no; or Python itself gave up, before anybody could say anything."""
CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
"""Signals that a process brings on itself: the same would happen again. From others' it may be run again."""


def advice(exit_code: int) -> Advice:
    """What to do after a command; a verdict that says no is an answer, too."""
    if exit_code in {0, REFUSED}:
        return "done"
    if exit_code == InputError.exit_code:
        return "mend"
    killed = exit_code < 0 and -exit_code not in CRASHES
    return "retry" if exit_code == RetryError.exit_code or killed else "report"
