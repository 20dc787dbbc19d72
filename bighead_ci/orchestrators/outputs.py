"""Takes over what a stage left, once it is what the stage declares: whoever wrote it is not trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from bighead_ci.delivery.stages.failure import FAILURE_FILE
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import DataRead, MeasuredConversion, Package, Profile
from bighead_ci.documents.artifact import GOLDEN, MANIFEST, ArtifactManifest, GoldenRows
from bighead_ci.documents.base import Document
from bighead_ci.documents.record import EvaluationResult, QualityResult, RunResult, TrainingSetSummary
from bighead_ci.documents.sandbox import Confinement
from bighead_ci.errors import InputError, Problem
from bighead_ci.orchestrators.left_files import files_below, move_over
from bighead_ci.planning.stages import (
    ARTIFACT,
    CONVERSION,
    DATA,
    EVALUATION,
    PACKAGE,
    PROFILE,
    QUALITY,
    RECORD,
    TRAINING_SUMMARY,
    Stage,
)

_DIRECTORIES: Mapping[str, tuple[str, ...]] = {ARTIFACT: (MANIFEST, GOLDEN)}
"""What a stage leaves as a directory → the files in it; an artifact's manifest names the others."""
_MANIFEST = f"{ARTIFACT}/{MANIFEST}"
_DOCUMENTS: Mapping[str, type[Document]] = {
    TRAINING_SUMMARY: TrainingSetSummary,
    DATA: DataRead,
    QUALITY: QualityResult,
    PROFILE: Profile,
    CONVERSION: MeasuredConversion,
    _MANIFEST: ArtifactManifest,
    f"{ARTIFACT}/{GOLDEN}": GoldenRows,
    EVALUATION: EvaluationResult,
    PACKAGE: Package,
    RECORD: RunResult,
}
LARGEST_DOCUMENT = 64 * 1024 * 1024
"""Bytes: golden rows and records are a hundredth of it."""


def take_over(stage: Stage, place: StagePlace, results: Path, confinement: Confinement) -> None:
    """Move what a stage left to where later stages look for it, and note in which sandbox it ran.

    No process of the stage may be alive any more.

    Raises:
        InputError: the stage left something else than it declares; names every file.
    """
    expected = {f"{name}/{file}" if file else name for name in stage.leaves for file in _DIRECTORIES.get(name, ("",))}
    problems = list(_problems(results, expected))
    if problems:
        raise InputError(
            Problem(file=f"{place.directory}/out/{path}", subject=f"stage {stage.name}", message=message)
            for path, message in problems
        )
    for name in stage.leaves:
        move_over(results / name, place.out / name)
    confinement.write(place.out / stage.confinement)


def _problems(results: Path, expected: set[str]) -> Iterator[tuple[str, str]]:
    """Path → what is wrong, of all that is there and all that should be."""
    found = {path: message for entry in results.iterdir() for path, message in files_below(entry, entry.name)}
    found.pop(FAILURE_FILE, None)
    if found.get(_MANIFEST) == "" and not [*_unreadable(results / _MANIFEST, _MANIFEST)]:
        expected = expected | {f"{ARTIFACT}/{name}" for name in ArtifactManifest.read(results / _MANIFEST).files}
    for path in sorted(expected - found.keys()):
        yield path, "is missing: the stage ended well and did not leave it"
    for path, message in sorted(found.items()):
        if path not in expected:
            yield path, message or "is nothing that the stage declares: leave files in a temporary directory"
        elif message:
            yield path, message
        elif path in _DOCUMENTS:
            yield from _unreadable(results / path, path)


def _unreadable(file: Path, path: str) -> Iterator[tuple[str, str]]:
    if file.stat().st_size > LARGEST_DOCUMENT:
        yield path, f"is larger than {LARGEST_DOCUMENT:,} bytes"
        return
    try:
        _DOCUMENTS[path].read(file)
    except (ValidationError, ValueError) as error:
        yield path, f"is not the document that it must be: {str(error).splitlines()[0]}"
