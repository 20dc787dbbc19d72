"""A model artifact as a whole: its digest, its manifest, its golden rows, whatever its kind.

An artifact is data. Loading verifies the digest of its files, that they are those of the manifest, what the kind's own
loader demands, and that the golden rows get the scores the training framework gave them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bighead_ci.documents.artifact import FORMAT, GOLDEN, MANIFEST, ArtifactManifest, GoldenRows
from bighead_ci.documents.base import digest_of, digest_of_bytes, short
from bighead_ci.errors import InputError
from bighead_ci.ports.scorer import Scorer
from bighead_ci.scorers.deviation import deviation
from bighead_ci.scorers.registry import LOADERS, Loader


def artifact_digest(directory: Path) -> str:
    """Digest over the sorted (file name, file digest) pairs of an artifact's directory.

    Raises:
        InputError: the directory is missing or holds a directory.
    """
    try:
        entries = sorted(directory.iterdir())
        return digest_of([[entry.name, digest_of_bytes(entry.read_bytes())] for entry in entries])
    except OSError as error:
        raise InputError(f"{directory}: not a readable artifact: {error.strerror or error}") from error


def load_artifact(directory: Path, expected_digest: str, loaders: Mapping[str, Loader] = LOADERS) -> Scorer:
    """Verify an artifact and make its scorer.

    Raises:
        InputError: the artifact is not the one expected, is damaged, of an unknown format, not what its kind's loader
            takes, or does not score its golden rows as the training framework did.
    """
    _check_files(directory)
    found = artifact_digest(directory)
    if found != expected_digest:
        raise InputError(
            f"{directory}: the artifact is {short(found)}, expected {short(expected_digest)}: changed or damaged"
        )
    return open_artifact(directory, loaders)


def open_artifact(directory: Path, loaders: Mapping[str, Loader] = LOADERS) -> Scorer:
    """`load_artifact` for an artifact that was made just now and has no digest to hold it against.

    Raises:
        InputError: as `load_artifact`.
    """
    _check_format(directory / MANIFEST)
    manifest = _document(ArtifactManifest, directory / MANIFEST)
    golden = _document(GoldenRows, directory / GOLDEN)
    _check_files(directory)
    if manifest.kind not in loaders:
        allowed = ", ".join(sorted(loaders))
        raise InputError(f"{directory}: the artifact is of kind {manifest.kind}; loaded here are: {allowed}")
    scorer = loaders[manifest.kind](directory, manifest)
    difference = golden_difference(scorer, golden)
    if not difference <= golden.tolerance:
        raise InputError(
            f"{directory}: golden rows score differently by {difference:.3g}, tolerance {golden.tolerance:.3g}: "
            "refusing to serve"
        )
    return scorer


def _check_files(directory: Path) -> None:
    """Refuse an artifact that lacks a file: which there must be, its manifest says if it can be read."""
    try:
        named = ArtifactManifest.read(directory / MANIFEST).files
    except (OSError, ValueError):
        named = []
    missing = sorted(name for name in {MANIFEST, GOLDEN, *named} if not (directory / name).is_file())
    if missing:
        raise InputError(f"{directory}: the artifact lacks {', '.join(missing)}")


def golden_difference(scorer: Scorer, golden: GoldenRows) -> float:
    """Largest difference from the scores kept with the golden rows, relative to those beyond 1.

    Infinite if a score is not a number or shapes differ.
    """
    largest = 0.0
    for row in golden.rows:
        scores = scorer.score_row(row.inputs)
        if len(scores) != len(row.scores):
            return float("inf")
        largest = max(largest, float(deviation(scores, row.scores).max(initial=0.0)))
    return largest


def _check_format(path: Path) -> None:
    """Say what to do with an artifact that another engine made; what is no manifest is for its reader to refuse."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return
    made = found.get("format") if isinstance(found, dict) else None
    if isinstance(made, int) and made != FORMAT:
        age = "an older" if made < FORMAT else "a newer"
        version = f"{found.get('model')}/{found.get('version')}"
        raise InputError(
            f"{path}: an artifact of format {made}, which {age} engine made; this one reads format {FORMAT}. Train "
            f"{version} again with this engine: `bighead retrain {version} --as-of now`, and promote what its pull "
            "request makes"
        )


def _document(kind: Any, path: Path) -> Any:
    try:
        return kind.read(path)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(step) for step in detail["loc"])
        raise InputError(f"{path}: not a {kind.__name__} of a known format: {where}: {detail['msg']}") from error
