"""`bighead runner`: on one machine, what a forge's workflows and a cluster's controllers do elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import click

from bighead_ci.cli.output import reports_errors, say
from bighead_ci.runner.duty import POLL_SECONDS
from bighead_ci.wiring.duties import runner
from bighead_ci.workspaces.finding import find_workspace
from bighead_ci.workspaces.runner_process import end_jobs, only_runner


@click.command("runner")
@reports_errors
def runner_command() -> None:
    """Watch the local forge and run checks, deliveries, reconciliation and canary analysis until interrupted."""
    workspace = find_workspace()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with only_runner(workspace):
        say(f"watching {workspace.forge}")
        try:
            with suppress(KeyboardInterrupt), ThreadPoolExecutor() as threads:
                duties = runner(workspace, threads, say)
                while True:
                    duties.poll()
                    time.sleep(POLL_SECONDS)
        finally:
            end_jobs(workspace)
