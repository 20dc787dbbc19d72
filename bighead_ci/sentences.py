"""Shortens what a library says to what fits into a message of ours."""

from __future__ import annotations

import re
import textwrap

MOST = 400
"""Characters."""
_BETWEEN = re.compile(r"(?<=[.!?;])\s+")


def shortened(text: str, most: int = MOST) -> str:
    """The first sentences of a text, in one line: as many as fit, and whole ones where one does; no word is cut."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    kept = ""
    for sentence in _BETWEEN.split(line):
        if len(kept) + 1 + len(sentence) > most:
            break
        kept = f"{kept} {sentence}".lstrip()
    whole = max(most, len(line.split()[0]) + 2)
    return kept or textwrap.shorten(line, whole, placeholder=" …", break_long_words=False, break_on_hyphens=False)
