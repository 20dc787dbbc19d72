"""The process of a variant whose own code answers: `python -m bighead_ci.entry_points.code_serving CONFIG CODE`.

The code runs in a process of its own, `code_scorer`, so that nothing it does stops what answers probes.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from bighead_ci.documents.live import CodeOrder, VariantConfig
from bighead_ci.entry_points.serving import open_log, open_store
from bighead_ci.serving.code_process import CodeProcess, patience_seconds
from bighead_ci.serving.process import Openers, serve

CODE_SCORER = "bighead_ci.entry_points.code_scorer"
"""Not imported: its libraries are not needed here. What is in an image knows it by `planning.stages`."""


def open_code(config: VariantConfig, version: Path) -> CodeProcess:
    """The process that runs a version's code.

    Raises:
        InputError: it refuses the artifact or the code.
    """
    order = CodeOrder(
        artifact=config.artifact, artifact_path=config.artifact_path, code=version, memory_bytes=config.memory_bytes
    )
    return CodeProcess(order, CODE_SCORER, patience_seconds(config.deadline_ms))


def main() -> None:
    """Serve until told to stop."""
    config, version = VariantConfig.read(Path(sys.argv[1])), Path(sys.argv[2])
    sys.exit(serve(config, Openers(open_store, open_log, partial(open_code, version=version))))


if __name__ == "__main__":
    main()
