"""`python -m bighead_ci` and the `bighead` command."""

from __future__ import annotations

import signal
import sys

from bighead_ci.cli.main import main as commands
from bighead_ci.workspaces.variables import silence_libraries


def main() -> None:
    """Entry point. SIGTERM ends a command like an exit does: what it started is ended too."""
    silence_libraries()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    commands()


if __name__ == "__main__":
    main()
