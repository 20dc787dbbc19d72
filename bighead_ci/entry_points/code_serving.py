"""The process of a variant whose own code answers: `python -m bighead_ci.entry_points.code_serving CONFIG CODE`."""

from __future__ import annotations

import sys
from pathlib import Path

from bighead_ci.documents.live import VariantConfig
from bighead_ci.entry_points.serving import open_store
from bighead_ci.model_code.scorer import code_loaders
from bighead_ci.serving.process import serve


def main() -> None:
    """Serve until told to stop."""
    config, version = VariantConfig.read(Path(sys.argv[1])), Path(sys.argv[2])
    sys.exit(serve(config, open_store, code_loaders(version)))


if __name__ == "__main__":
    main()
