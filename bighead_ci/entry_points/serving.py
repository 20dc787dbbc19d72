"""The process of a variant: `python -m bighead_ci.entry_points.serving CONFIG`. Started by platforms, not by people."""

from __future__ import annotations

import sys
from pathlib import Path

from bighead_ci.documents.live import VariantConfig
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.serving.process import serve
from bighead_ci.stores.online_lmdb import LmdbOnlineStore


def open_store(path: Path) -> OnlineStore:
    """The embedded online store, for reading."""
    return LmdbOnlineStore(path, readonly=True)


def main() -> None:
    """Serve until told to stop."""
    sys.exit(serve(VariantConfig.read(Path(sys.argv[1])), open_store))


if __name__ == "__main__":
    main()
