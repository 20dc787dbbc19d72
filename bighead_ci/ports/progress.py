"""What whatever takes long says while it works."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str], None]
"""Takes one line for people, such as `train: 12 of 200 trees`."""


def silent(_: str) -> None:
    """Say nothing."""
