"""What a variant runs in: the one thing that differs between environments of processes and of containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bighead_ci.documents.live import ServingProcess, VariantConfig


@dataclass(frozen=True)
class Instance:
    """A living start of a variant."""

    pid: int
    """Of its first process, on this machine."""
    inside: int
    """What that process knows itself by."""


class Runtime(Protocol):
    """Starts, finds and ends what runs one variant.

    At most one instance is the variant's; the one before it may answer beside it until it is dismissed. Both are found
    again by whoever comes after a killed starter.
    """

    @property
    def said(self) -> Path:
        """Where an instance leaves what it says of itself: `process.json`, `replace.json`, `refusal.txt`."""

    @property
    def log(self) -> Path:
        """What ended instances wrote; the living one's is there or with whoever runs it."""

    def prepare(self, config: VariantConfig) -> Callable[[], None]:
        """Look at the image, and verify it whole; what is answered starts an instance.

        Raises:
            InputError: the image is missing or damaged.
        """

    def find(self) -> Instance | None:
        """The living instance."""

    def started(self) -> bool:
        """Whether one was started and not stopped since, dead or alive."""

    def ended(self) -> bool:
        """Whether one was started, not stopped, and is dead; cheap."""

    def reached(self, serving: ServingProcess) -> ServingProcess:
        """What an instance says of where it is, as it is seen from here."""

    def set_aside(self) -> None:
        """Keep the instance until `dismiss`; the next one started is its successor."""

    def leaves(self) -> bool:
        """Whether one that was set aside still lives."""

    def dismiss(self, grace_seconds: float) -> None:
        """End the one that was set aside; it answers what it has and writes its log first."""

    def stop(self, grace_seconds: float) -> None:
        """End the instance likewise, and forget it."""

    def cause(self) -> str:
        """What whoever ran the instance knows of its end, that it could not say itself; empty if nothing."""

    def last_words(self, lines: int) -> str:
        """The end of what it wrote."""
