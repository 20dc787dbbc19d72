"""Runs a command that nobody trusts, with no more of this machine than it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bighead_ci.documents.sandbox import Ended, Limits, SandboxKind


@dataclass(frozen=True)
class Confined:
    """A command and what it may have. All paths are absolute and exist."""

    command: Sequence[str]
    directory: Path
    """Where it works; it sees no more of it than `reads` and `writes` say."""
    limits: Limits
    reads: Sequence[Path] = ()
    """Files, and directories with all below, beside what every program needs of the system."""
    writes: Sequence[Path] = ()
    """Directories in which it may make, change and delete files."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Its environment, all of it but HOME and TMPDIR, which name a directory that is gone when it has ended."""
    network: bool = False
    """Whether it may reach other machines and this one."""


class Sandbox(Protocol):
    """Holds commands.

    Raises:
        RetryError: the sandbox itself cannot be had at this moment (disk full, no process left).
    """

    @property
    def kind(self) -> SandboxKind:
        """What holds the command."""

    def run(self, confined: Confined, output: Callable[[str], None]) -> Ended:
        """Run the command to its end; nothing that it started is alive then.

        `output` gets what it and its children print, line by line, cut where a line is long.
        """
