"""Spellings of one and the same manufacturer."""

from __future__ import annotations

import re

_FORMS = re.compile(r"\b(aircraft|industrie|corporation|corp|company|co|incorporated|inc|ltd|spa|aerospace)\b")
"""What says how a company is constituted, not which it is."""
_SPACES = re.compile(r"\s+")


def manufacturer(written: str) -> str:
    """`MCDONNELL DOUGLAS AIRCRAFT CO` → `mcdonnell douglas`."""
    return _SPACES.sub(" ", _FORMS.sub(" ", written.lower().replace(".", " "))).strip()


def designation(written: str) -> str:
    """`DC-9-82(MD-82)` → `dc-9-82 md-82`; `ERJ 190-100 IGW` → `erj-190-100-igw`."""
    parts = re.split(r"[()]", written.lower())
    return " ".join("-".join(part.split()) for part in parts if part.strip())
