"""The process of a variant: `python -m bighead_ci.entry_points.serving CONFIG`. Started by platforms, not by people."""

from __future__ import annotations

import sys
from pathlib import Path

from bighead_ci.documents.live import VariantConfig
from bighead_ci.ports.object_store import ObjectStore
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.serving.process import Openers, serve
from bighead_ci.stores.objects_directory import DirectoryObjectStore
from bighead_ci.stores.online_lmdb import LmdbOnlineStore


def open_store(config: VariantConfig) -> OnlineStore:
    """The embedded online store, for reading."""
    return LmdbOnlineStore(config.online_store, readonly=True)


def open_log(config: VariantConfig) -> ObjectStore | None:
    """The directory of the prediction log."""
    return None if config.predictions is None else DirectoryObjectStore(config.predictions)


def main() -> None:
    """Serve until told to stop."""
    sys.exit(serve(VariantConfig.read(Path(sys.argv[1])), Openers(open_store, open_log)))


if __name__ == "__main__":
    main()
