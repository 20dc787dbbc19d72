"""A delivery context in memory for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.context import FakeContext


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    """Main has `late/v1`, two environments and the project's gates; nothing is released."""
    return FakeContext(tmp_path)
