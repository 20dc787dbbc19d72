"""What a sandbox adds to a process: `true`, started by each one that this machine has, and without any.

`python -m benchmarks.sandbox`
"""

from __future__ import annotations

import statistics
import subprocess
import time
from pathlib import Path

from bighead_ci.documents.sandbox import KINDS
from bighead_ci.ports.sandbox import Confined
from bighead_ci.sandbox.choice import VARIABLE, limits_of, sandbox_of, why_not

TIMES = 30
COMMAND = ["/usr/bin/env", "true"]


def main() -> None:
    """Measure and print."""
    plain = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        subprocess.run(COMMAND, check=True)
        plain.append(time.perf_counter() - begun)
    print(f"a process by itself: {statistics.median(plain) * 1000:.1f} ms at the median of {TIMES}")
    for kind in KINDS:
        if reason := why_not(kind):
            print(f"{kind}: NOT MEASURED: {reason}")
            continue
        sandbox, taken = sandbox_of({VARIABLE: kind}), []
        for _ in range(TIMES):
            begun = time.perf_counter()
            sandbox.run(Confined(COMMAND, Path("/"), limits_of({})), print)
            taken.append(time.perf_counter() - begun)
        print(f"{kind}: {statistics.median(taken) * 1000:.1f} ms, {max(taken) * 1000:.1f} at the most")


if __name__ == "__main__":
    main()
