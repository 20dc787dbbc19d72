"""Finds the word that somebody most likely meant."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA


def closest(text: str, known: Iterable[str]) -> str | None:
    """The known word that is fewest typing mistakes away, if any comes close; ties go to the first by name."""
    found = process.extractOne(text, sorted(known), scorer=OSA.normalized_similarity, score_cutoff=0.6)
    return None if found is None else str(found[0])
