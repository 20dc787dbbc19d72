"""What holds for every test."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from fakes.bags_bench import train_bags

# An example's time says more about the machine than about the code: pytest's timeout bounds a test as a whole.
settings.register_profile("bighead", deadline=None)
settings.load_profile("bighead")


@pytest.fixture(scope="session")
def trained_bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bags repository, and a machine that has run its first commit; to be copied, not changed."""
    return train_bags(tmp_path_factory.mktemp("trained"))
