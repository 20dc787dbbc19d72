"""Waits until a pull request has its verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.documents.base import short
from bighead_ci.documents.forge import CheckState, PullRequest, PullRequestSummary
from bighead_ci.errors import RetryError
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.progress import Progress

POLL_SECONDS = 1.0
"""Between two looks at a pull request."""


@dataclass(frozen=True)
class Patience:
    """How long somebody waits.

    Args:
        clock: Tells when it is over.
        until: When it is over; None: never.
        pause: Lets seconds pass.
    """

    clock: Clock
    until: datetime | None = None
    pause: Callable[[float], None] = field(default=time.sleep)

    @classmethod
    def of(cls, clock: Clock, seconds: float | None) -> Patience:
        """From now on, for so many seconds."""
        return cls(clock, None if seconds is None else clock.now() + timedelta(seconds=seconds))

    @property
    def over(self) -> bool:
        """Whether it is."""
        return self.until is not None and self.clock.now() >= self.until


def wait_for_verdict(
    context: Context, number: int, patience: Patience, progress: Progress, head: str | None = None
) -> tuple[PullRequest, CheckState | None]:
    """Wait until the checks of a pull request ended, or somebody merged or closed it.

    Args:
        context: Ports.
        number: Which.
        patience: How long.
        progress: Gets a line whenever something changes.
        head: The head to wait for; None: whatever its head is, also when it moves meanwhile.

    Returns:
        The pull request, and how its checks ended: `success`, `failure` or `error`; None when nobody judged it before
        it was merged or closed.

    Raises:
        RetryError: patience is over, or its head is another one.
    """
    said = ""
    while True:
        pull = context.forge.get(number)
        if head is not None and pull.head != head:
            raise RetryError(f"#{number}: its head is now {short(pull.head)}; it was {short(head)}: look at it again")
        check = find_check(context.forge, pull.head, CI)
        state = check.state if check else None
        if pull.state != "open" or (state is not None and state != "pending"):
            return pull, state
        line = f"#{number} at {short(pull.head)}: {check.description if check else 'no check of it has begun'}"
        if line != said:
            progress(line)
            said = line
        if patience.over:
            raise RetryError(f"{line}; waited long enough: run it again to wait on")
        patience.pause(POLL_SECONDS)


def merge_when_judged(
    context: Context, number: int, head: str | None, patience: Patience, progress: Progress
) -> PullRequestSummary:
    """Wait for the verdict on a head, and merge it; where main outdated the verdict, wait for the next one.

    Args:
        context: Ports, for whoever merges.
        number: Which.
        head: The head to merge; None: the present one. A head that comes later is never merged.
        patience: How long to wait.
        progress: Gets a line whenever something changes.

    Raises:
        InputError: a required check has failed, an approval is missing, or it conflicts with main.
        RetryError: patience is over, or the head moved.
    """
    wanted = head or context.forge.get(number).head
    while True:
        wait_for_verdict(context, number, patience, progress, wanted)
        try:
            return merge_pull_request(context, number, wanted)
        except RetryError as error:
            check = find_check(context.forge, wanted, CI)
            if check is None or check.state != "pending":
                raise
            progress(str(error))
