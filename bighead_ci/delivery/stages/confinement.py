"""What held the code of a run's stages, by the notes that they left."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.documents.sandbox import Confinement, SandboxKind, weakest
from bighead_ci.planning.stages import STAGES


def sandbox_of_run(out: Path) -> SandboxKind:
    """The weakest sandbox that a stage ran in."""
    notes = [out / stage.confinement for stage in STAGES]
    return weakest([Confinement.read(note).kind if note.is_file() else "none" for note in notes])
