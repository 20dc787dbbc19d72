"""The clocks of this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's time."""
        return datetime.now(UTC)


class ShiftedClock:
    """Runs at the machine's pace from another moment: a workspace can live inside its data."""

    def __init__(self, offset: timedelta) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """The machine's time plus the offset."""
        return datetime.now(UTC) + self.offset
