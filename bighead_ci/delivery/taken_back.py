"""Which variants of a release were taken back, by its history: nobody goes back to these without saying so."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.delivery.main import Main
from bighead_ci.delivery.release_log import ReleaseEdit
from bighead_ci.documents.release import Release, Variant

Served = tuple[str, str]
"""Artifact and image: what a variant is, whatever it is called."""


def served(variant: Variant) -> Served:
    """What a variant is."""
    return variant.artifact, variant.image


def taken_back(main: Main, edits: Sequence[ReleaseEdit]) -> dict[Served, ReleaseEdit]:
    """What a revert, a rollback or the stop of a canary removed and has not served alone since → the edit that did it.

    A variant is taken back where it loses its traffic, and leaves, to one that served first. A standby that is
    retired had none; what a promotion replaces stays as its standby.

    Args:
        main: Reads the contents.
        edits: Of one release, newest first.
    """
    first: dict[Served, int] = {}
    found: dict[Served, ReleaseEdit] = {}
    for edit in reversed(edits):
        before, after = (_release(main, edit, content) for content in (edit.before, edit.after))
        if after is None:
            continue
        for variant in after.variants:
            first.setdefault(served(variant), len(first))
        if after.candidate is None:
            found.pop(served(after.stable), None)
        there = {served(variant) for variant in after.variants}
        stayed = first[served(after.stable)]
        for variant in before.variants if before is not None else ():
            one = served(variant)
            if variant.weight and one not in there and first.get(one, stayed) > stayed:
                found[one] = edit
    return found


def _release(main: Main, edit: ReleaseEdit, content: str | None) -> Release | None:
    """What cannot be read took nothing back."""
    return main.reader.attempt(edit.environment, edit.model, content)[0] if content else None
