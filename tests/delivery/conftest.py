"""A delivery context in memory for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.context import FakeContext
from fakes.shipping import pass_canary, ship


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    """Main has `late/v1`, two environments and the project's gates; nothing is released."""
    return FakeContext(tmp_path)


@pytest.fixture
def shipped(context: FakeContext) -> FakeContext:
    """v2 served in prod, then v3 by way of a canary."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pass_canary(context)
    assert context.split("prod") == {"v3": 100}
    return context
