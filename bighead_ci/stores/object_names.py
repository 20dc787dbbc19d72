"""What an object store takes for a name."""

from __future__ import annotations

import re

from bighead_ci.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{0,199}(/[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{0,199})*")
_LONGEST = 900
"""S3 takes 1,024 bytes, with the prefix of the store."""


def checked(name: str) -> str:
    """A name that every store takes.

    Raises:
        InputError: it is none.
    """
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        parts = "parts of ASCII letters, digits and ._=+- with slashes between, none starting with a dot"
        raise InputError(f"{name[:200]!r} cannot name an object; a name is {parts}, {_LONGEST} characters at most")
    return name
