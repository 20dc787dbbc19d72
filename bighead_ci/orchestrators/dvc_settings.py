"""Points a checkout's DVC to the cache that all checkouts share."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from configobj import ConfigObj, ConfigObjError

from bighead_ci.documents.base import write_atomically
from bighead_ci.errors import InputError

SETTINGS = ".dvc/config.local"
"""Settings of one checkout, which git never sees."""


def share_cache(checkout: Path, cache: Path) -> None:
    """Let the checkout's DVC, whoever starts it, use this cache and ask git nothing; other settings stay.

    Git's opinion would end every `dvc repro`: the `dvc.lock` of a model version is an output, which git ignores.

    Raises:
        InputError: the checkout's settings cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    wanted = {
        "core": {
            "analytics": "false",
            "check_update": "false",
            "no_scm": "true",
            "site_cache_dir": str(cache.resolve() / "site"),
        },
        "cache": {"dir": str(cache.resolve() / "content")},
    }
    file = checkout / SETTINGS
    before = file.read_bytes() if file.is_file() else b""
    try:
        settings = ConfigObj(BytesIO(before), encoding="utf-8")
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}; mend it or delete it") from error
    settings.merge(wanted)
    written = BytesIO()
    settings.write(written)
    if written.getvalue() != before:
        write_atomically(file, written.getvalue())
