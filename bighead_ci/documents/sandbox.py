"""In which sandbox a command ran, what it was allowed, and how it ended."""

from __future__ import annotations

from typing import Literal

from bighead_ci.documents.base import Document

SandboxKind = Literal["bubblewrap", "docker", "kernel", "none"]
"""What holds a command: namespaces made by bubblewrap; a container; Landlock and seccomp of the kernel; nothing."""
KINDS: tuple[SandboxKind, ...] = ("bubblewrap", "docker", "kernel", "none")
"""The strongest first."""
EndReason = Literal["exited", "signalled", "seconds", "memory", "processes", "disk"]
"""Why a command ended: by itself, by a signal, or at the limit of that name."""


class Limits(Document):
    """What a command and all that it starts may use together."""

    seconds: float
    """By the clock on the wall."""
    memory: int
    """Bytes that its processes hold."""
    processes: int
    """Alive at once, threads not counted."""
    disk: int
    """Bytes of what it leaves and of its scratch directory; no single file may be larger either."""


class Ended(Document):
    """How a command ended."""

    code: int
    """Its exit code, 128 + N where signal N ended it."""
    reason: EndReason

    @property
    def limit(self) -> str:
        """The limit that ended it; empty when none did."""
        return "" if self.reason in {"exited", "signalled"} else self.reason


class Confinement(Document):
    """In which sandbox a stage ran; kept beside what it left, and with it in the cache."""

    kind: SandboxKind
    network: bool = False
    """Whether it could reach other machines."""


def weakest(kinds: list[SandboxKind]) -> SandboxKind:
    """The least that holds for all of them; `none` without any."""
    return max(kinds, key=KINDS.index, default="none")
