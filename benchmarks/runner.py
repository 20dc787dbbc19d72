"""What the runner uses while nothing happens, and how soon a revert is in force all the same.

In a shipped workspace with the processes of two models and a standby behind two routers, without traffic: processor
time of the runner and of every process that it starts, as a share of one core. Then seconds from the push of a revert
to the last answer that any caller got from the version that was taken back: alone, and while the checks of a pull
request train. The revert of a revert, which has to start a process, is measured beside it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import psutil

from benchmarks import outcome
from benchmarks.live import shipped_flights
from benchmarks.revert import back_and_forth, reverted
from bighead_ci.delivery.status import status
from bighead_ci.demo.ship import WORSE, Ship
from bighead_ci.errors import BugError
from bighead_ci.runner.duty import POLL_SECONDS
from bighead_ci.workspaces.runner_process import runner_pid

IDLE_SECONDS = 60.0
_SLEEPER = """
import sys, time
pause, seconds = float(sys.argv[1]), float(sys.argv[2])
began, before = time.monotonic(), time.process_time()
while time.monotonic() - began < seconds:
    time.sleep(pause)
print((time.process_time() - before) / seconds)
"""
SETTLE_SECONDS = 20.0
REPEATS = 3


def _processor_seconds(runner: psutil.Process) -> float:
    """Of the runner, of its children, and of those that it has waited for."""
    times = runner.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in runner.children(recursive=True):
        if "envoy" not in child.name() and "serving" not in " ".join(child.cmdline()):
            used = child.cpu_times()
            total += used.user + used.system
    return float(total)


def _idle_share(ship: Ship) -> float:
    """Share of one core that the runner uses with nothing to do."""
    pid = runner_pid(ship.context.workspace)
    if pid is None or not status(ship.context).in_step:
        raise BugError("the workspace is not at rest")
    runner = psutil.Process(pid)
    time.sleep(SETTLE_SECONDS)
    before, began = _processor_seconds(runner), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (_processor_seconds(runner) - before) / (time.monotonic() - began)


def _sleeping_share() -> float:
    """What a process uses here that does nothing but wake as often: the floor."""
    done = subprocess.run(
        [sys.executable, "-c", _SLEEPER, str(POLL_SECONDS), str(IDLE_SECONDS / 2)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Ship, rest, revert, and revert beside a check."""
    with shipped_flights() as ship:
        floor = _sleeping_share()
        share = _idle_share(ship)
        alone, again = back_and_forth(ship, REPEATS)
        ship.open_edited("flight-delay-v3-worse", WORSE, "flight_delay v3: fewer trees", "ada")
        beside = [reverted(ship, "v1")]
    figures = {
        "idle_share_of_a_core": round(share, 4),
        "share_of_a_process_that_only_wakes": round(floor, 4),
        "revert_seconds": [round(seconds, 3) for seconds, _ in alone],
        "revert_while_checks_train_seconds": [round(seconds, 3) for seconds, _ in beside],
        "revert_of_a_revert_seconds": [round(seconds, 3) for seconds, _ in again],
        "failed_requests": sum(failed for _, failed in alone + again + beside),
    }
    worst = max(seconds for seconds, _ in alone + beside)
    return figures, {"idle_share_of_a_core": (share, 0.01), "revert_seconds": (worst, 1.0)}


if __name__ == "__main__":
    outcome.run("runner", __doc__ or "", measure)
