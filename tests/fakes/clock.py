"""A clock that a test moves."""

from __future__ import annotations

from datetime import datetime, timedelta


class FixedClock:
    """Stands still until it is moved forward."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """The moment it was moved to."""
        return self.moment

    def forward(self, seconds: float) -> None:
        """Move on; a negative number of seconds sets it back."""
        self.moment += timedelta(seconds=seconds)
