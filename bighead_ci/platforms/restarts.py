"""How often a process may be started again; pure."""

from __future__ import annotations

from bighead_ci.documents.live import Restarts

CALM_SECONDS = 120.0
"""Two restarts within it follow each other hastily."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0


def counted(before: Restarts, reason: str, now: float) -> Restarts:
    """With one more."""
    hasty = before.count > 0 and now - before.at < CALM_SECONDS
    return Restarts(count=before.count + 1, reason=reason, at=now, hasty=before.hasty + 1 if hasty else 0)


def pause(restarts: Restarts, now: float) -> float:
    """Seconds until the next may be made: none after the first, then longer and longer while they are hasty."""
    if not restarts.hasty:
        return 0.0
    length: float = min(FIRST_PAUSE * 2 ** (restarts.hasty - 1), LONGEST_PAUSE)
    return max(0.0, restarts.at + length - now)
