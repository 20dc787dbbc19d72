"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# An example's time says more about the machine than about the code: pytest's timeout bounds a test as a whole.
settings.register_profile("bighead", deadline=None)
settings.load_profile("bighead")
