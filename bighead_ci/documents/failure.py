"""What went wrong with one of several things that a command does."""

from __future__ import annotations

from bighead_ci.documents.base import Document
from bighead_ci.errors import Remedy


class Failure(Document):
    """One thing that could not be done; the others were."""

    about: str
    """`prod/flight_delay`, `flight_delay`."""
    remedy: Remedy
    message: str
