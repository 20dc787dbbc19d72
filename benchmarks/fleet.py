"""1,000 models in three environments, with 10,000 merged promotions behind them: status, a pass with nothing to do.

Each is measured in a process of its own, from the end of its imports: what a person waits for, and what the runner does
for the first time. The platforms are the tests' doubles and run what main says: the figures are those of the engine.
Peers in the same run: git's own log of the releases, and the listing of main's files.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import outcome
from bighead_ci import wiring
from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.desired import Desired, desired_models
from bighead_ci.delivery.history import history
from bighead_ci.delivery.reconcile import reconcile
from bighead_ci.delivery.status import status
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.forge import BOT
from bighead_ci.documents.release import Release, Variant, release_path
from bighead_ci.ports.progress import silent
from bighead_ci.workspaces.layout import Workspace
from fakes.clock import FixedClock
from fakes.platform import MemoryPlatform

MODELS = 1000
ENVIRONMENTS = ("dev", "staging", "prod")
PROMOTIONS = 10_000
REPEATS = 5
PLAN = CanaryPlan(steps=[100], soak="5s", minimum_requests=0)


def build(forge: Path) -> None:
    """A bare repository: everything is released once, then one model after the other is promoted, each by a merge."""
    _git(forge.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(forge))
    before = dict(zip(ENVIRONMENTS[1:], ENVIRONMENTS, strict=False))
    first = {
        f"environments/{environment}/environment.yaml": (
            f"platform: local\npromotes_from: {before.get(environment, 'null')}\nrouter: {{port: 0}}\n"
            "canary: {steps: [100], soak: 5s, minimum_requests: 0}\n"
        )
        for environment in ENVIRONMENTS
    }
    places = [(environment, f"model_{number:04}") for environment in ENVIRONMENTS for number in range(MODELS)]
    first |= {release_path(*place): _release(0) for place in places}
    first |= {f"models/model_{number:04}/v1/model.yaml": f"# {number}\n" for number in range(MODELS)}
    now = int(time.time())
    stream = [_commit("refs/heads/main", 1, now - 60 * PROMOTIONS, "all", "", first)]
    for number in range(1, PROMOTIONS + 1):
        main, head = 2 * number - 1, 2 * number
        at = now - 60 * (PROMOTIONS - number)
        changes = {release_path(*places[number * 7919 % len(places)]): _release(number)}
        stream.append(_commit("refs/heads/topic", head, at, "promote", f"from :{main}\n", changes))
        stream.append(_commit("refs/heads/main", head + 1, at, "merge", f"from :{main}\nmerge :{head}\n", changes))
    _git(forge, "fast-import", "--quiet", stdin="".join(stream))


def _commit(ref: str, mark: int, at: int, message: str, parents: str, files: dict[str, str]) -> str:
    head = f"commit {ref}\nmark :{mark}\ncommitter b <b@example.invalid> {at} +0000\ndata {len(message)}\n{message}\n"
    body = "".join(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n" for path, text in files.items())
    return head + parents + body


def _release(number: int) -> str:
    variant = Variant(
        version="v1",
        image=f"local/model@sha256:{number:064x}",
        artifact=f"sha256:{number:064x}",
        run=f"run-{number}",
        commit="0" * 40,
        weight=100,
    )
    return render_release(Release(variants=[variant], canary=PLAN))


def _git(directory: Path, *arguments: str, stdin: str = "") -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True).stdout


SINCE = datetime(2026, 1, 1, tzinfo=UTC)
"""When the fleet's weights came into force."""


def obedient(desired: Desired, environment: str) -> MemoryPlatform:
    """The platform of an environment in which everything runs as a commit said."""
    platform = MemoryPlatform(environment, FixedClock(SINCE))
    for model in desired_models(desired):
        if model.environment == environment:
            for variant in model.variants:
                platform.ensure_variant(variant)
            platform.route(model)
    return platform


class FleetContext(wiring.LocalContext):
    """The workspace's context, with platforms in memory."""

    obedient: dict[str, MemoryPlatform]

    def platform(self, environment: str, definition: EnvironmentDefinition) -> Any:  # noqa: ARG002  # all are alike
        """The one of an environment."""
        return self.obedient[environment]


def probe(forge: Path, question: str) -> float:
    """Seconds that one question takes in a process that has just started."""
    workspace = Workspace(forge=forge, state=forge.parent / "state")
    seen = FleetContext(workspace, BOT)
    desired = seen.main().desired
    context = FleetContext(workspace, BOT)
    context.obedient = {name: obedient(desired, name) for name in desired.environments}

    def in_step() -> None:
        if not status(context).in_step:
            raise AssertionError("the fleet is in step")

    def idle() -> None:
        states = {outcome.state for outcome in reconcile(context, silent).outcomes}
        if states != {"in step"}:
            raise AssertionError(states)

    def told(model: str | None, least: int) -> None:
        found = len(history(context, model))
        if found < least:
            raise AssertionError(found)

    questions: dict[str, Callable[[], None]] = {
        "status": in_step,
        "reconcile": idle,
        "history_of_one_model": lambda: told("model_0007", len(ENVIRONMENTS)),
        "history_of_all": lambda: told(None, PROMOTIONS),
    }
    started = time.perf_counter()
    questions[question]()
    return time.perf_counter() - started


def _asked(forge: Path, question: str) -> float:
    command = [sys.executable, "-m", "benchmarks.fleet", "--probe", str(forge), question]
    times = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(REPEATS)]
    return round(statistics.median(times), 3)


def _floor(forge: Path, *arguments: str) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        _git(forge, *arguments)
        times.append(time.perf_counter() - started)
    return round(statistics.median(times), 3)


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Medians of cold processes."""
    with tempfile.TemporaryDirectory(prefix="bighead-bench-") as name:
        forge = Path(name) / "forge.git"
        build(forge)
        log = (
            "log",
            "--first-parent",
            "--diff-merges=first-parent",
            "--raw",
            "--no-abbrev",
            "main",
            "--",
            "environments",
        )
        figures = {
            "status_seconds": _asked(forge, "status"),
            "idle_reconcile_seconds": _asked(forge, "reconcile"),
            "history_of_one_model_seconds": _asked(forge, "history_of_one_model"),
            "history_of_all_seconds": _asked(forge, "history_of_all"),
            "git_log_seconds": _floor(forge, *log),
            "git_list_tree_seconds": _floor(forge, "ls-tree", "-r", "main"),
        }
    bars = {"status_seconds": 1.0, "idle_reconcile_seconds": 1.0}
    return figures, {name: (figures[name], bar) for name, bar in bars.items()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        print(json.dumps(probe(Path(sys.argv[2]), sys.argv[3])))
    else:
        outcome.run("fleet", __doc__ or "", measure)
