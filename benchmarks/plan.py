"""Planning a pull request that changes one model of 1,000 with 5 versions each.

Peers in the same run: git's own diff of the two commits (the floor: what must be read to see the change), and listing
the tree. A repository of a tenth the size shows whether the cost grows with the change or with the repository.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import outcome
from bighead_ci.git.repository import GitRepository
from bighead_ci.planning.change import plan_change
from bighead_ci.wiring import installed_engine

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 7
VERSIONS = 5


def build(directory: Path, models: int) -> tuple[str, str]:
    """A repository of copies of the example model; returns (base, head) where head changes one model."""
    for part in ("features", "policies", "environments", "dvc.yaml", "dvc.lock"):
        source, target = ROOT / part, directory / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.parquet", "__pycache__"))
        else:
            shutil.copy2(source, target)
    shutil.copytree(ROOT / "models/_locks", directory / "models/_locks")
    template = ROOT / "models/flight_delay/v2"
    files = [p for p in template.rglob("*") if p.is_file() and not {"out", "__pycache__"} & set(p.parts)]
    for number in range(models):
        for version in range(1, VERSIONS + 1):
            for file in files:
                target = directory / f"models/model_{number:04}/v{version}" / file.relative_to(template)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    _git(directory, "init", "-q", "-b", "main")
    _commit(directory, "base")
    changed = directory / "models/model_0007/v5/model.yaml"
    changed.write_text(changed.read_text() + "\n# changed\n")
    code = directory / "models/model_0007/v5/model.py"
    code.write_text(code.read_text() + "\n# changed\n")
    _commit(directory, "head")
    return _git(directory, "rev-parse", "HEAD~1"), _git(directory, "rev-parse", "HEAD")


def _commit(directory: Path, message: str) -> None:
    _git(directory, "add", "-A")
    _git(directory, "-c", "user.name=b", "-c", "user.email=b@example.invalid", "commit", "-qm", message)


def _git(directory: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(directory), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def median_seconds(action: Callable[[], object]) -> float:
    """Median wall seconds of several calls."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return round(statistics.median(times), 4)


def _measure_size(models: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        base, head = build(directory, models)

        def plan() -> None:
            repository = GitRepository(directory)
            planned = plan_change(repository.tree(base), repository.tree(head), base, head, installed_engine())
            repository.close()
            if [m.id for m in planned.models] != ["model_0007/v5"]:
                raise AssertionError(planned.models)

        return {
            "plan": median_seconds(plan),
            "git_diff": median_seconds(lambda: _git(directory, "diff", "--name-only", base, head)),
            "git_list": median_seconds(lambda: _git(directory, "ls-tree", "-r", head)),
        }


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """1,000 models x 5 versions, and 100 x 5 for how the cost grows."""
    large, small = _measure_size(1000), _measure_size(100)
    figures = {
        "plan_seconds_1000_models": large["plan"],
        "plan_seconds_100_models": small["plan"],
        "git_diff_seconds_1000_models": large["git_diff"],
        "git_list_tree_seconds_1000_models": large["git_list"],
        "plan_over_git_list_tree": round(large["plan"] / large["git_list"], 2),
        "growth_100_to_1000_models": round(large["plan"] / small["plan"], 2),
    }
    return figures, {"plan_seconds": (large["plan"], 0.3)}


if __name__ == "__main__":
    outcome.run("plan", __doc__ or "", measure)
