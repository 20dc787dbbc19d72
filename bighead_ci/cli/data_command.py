"""What DVC takes for the shell when it makes data: runs a command of the repository's own pipeline in a sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bighead_ci.delivery.stages.failure import leave_failure
from bighead_ci.errors import BigheadError
from bighead_ci.wiring import stages


def main() -> None:
    """Run the command that the last argument is, for the stage that DVC names in the environment."""
    checkout, stage = Path(os.environ["DVC_ROOT"]).resolve(), os.environ["DVC_STAGE"]
    try:
        with leave_failure(checkout):
            sys.exit(stages.run_data_command(checkout, stage, sys.argv[-1], Path.cwd()))
    except BigheadError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
