"""Time comes in through a port: planning and policy never read the machine's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, with zone UTC."""
