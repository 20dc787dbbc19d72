"""A company's first model, as the README tells it: from `bighead new source` to an answer, by commands alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bighead_ci import wiring
from bighead_ci.definitions.files import LOCKS
from bighead_ci.definitions.scaffold import default_lock
from bighead_ci.definitions.shared_locks import naming
from bighead_ci.demo.seed import write_seed
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace
from fakes.bags_repository import IMPORT, ROOT_PIPELINE
from fakes.repositories import git

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
ROOT = Path(__file__).resolve().parents[2]
NOW = "2026-01-10T00:00:00"
"""In the middle of the bags."""
MODEL = "models/bag_delay/v1"


@dataclass
class Desk:
    """Somebody's clone, and its command line."""

    directory: Path
    user: str = "ada"

    @property
    def clone(self) -> Path:
        return self.directory / "clone"

    def bighead(self, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        """Run a command; its answer."""
        environment = {name: value for name, value in os.environ.items() if name != variables.STATE}
        done = subprocess.run(
            [sys.executable, "-m", "bighead_ci", *arguments, "--json"],
            cwd=self.clone if self.clone.exists() else self.directory,
            env=environment | {variables.USER: self.user},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A workspace whose repository has environments and policies, and neither models nor sources."""
    seed = write_seed(ROOT, tmp_path / "seed")
    for path in ("features", "dvc.lock"):
        subprocess.run(["rm", "-r", str(seed / path)], check=True)
    (seed / "dvc.yaml").write_text("stages: {}\n")
    desk = Desk(tmp_path / "work")
    desk.directory.mkdir()
    desk.bighead("workspace", "init", str(desk.directory), "--seed", str(seed), "--at", NOW)
    yield desk
    desk.bighead("workspace", "stop")


def test_a_first_model_from_nothing_to_an_answer_and_a_second_run_of_it(desk: Desk) -> None:
    """Source, data, features, model, locks, training, pull request, promotion, traffic; then again by run.yaml."""
    assert desk.bighead("workspace", "show")["now"].startswith("2026-01-10T00:0")
    author(desk)
    train(desk)
    propose_and_merge(desk, "bag-delay")
    promote_to_staging(desk)
    first = served(desk)
    ask(desk)
    begin(desk, "bag-delay-later")
    later = desk.bighead("retrain", "bag_delay/v1", "--as-of", "2026-01-08", "--pin-data")
    assert len(later["run"]["data"]["bags"]) == 32
    propose_and_merge(desk, "bag-delay-later")
    promote_to_staging(desk)
    second = served(desk)
    assert (first["version"], second["version"]) == ("v1", "v1")
    assert first["artifact"] != second["artifact"]
    records = wiring.context_of(Workspace.read(desk.directory / "state" / WORKSPACE_FILE)).records
    kept = {run: record for run in (first["run"], second["run"]) if (record := records.by_run(run)) is not None}
    assert [record.artifact for record in kept.values()] == [first["artifact"], second["artifact"]]
    assert [records.by_content_key(record.content_key) for record in kept.values()] == [*kept.values()]
    assert kept[second["run"]].content_key == later["content_key"]


def begin(desk: Desk, branch: str) -> None:
    git(desk.clone, "fetch", "--quiet")
    git(desk.clone, "checkout", "--quiet", "-b", branch, "origin/main")


def author(desk: Desk) -> None:
    """Everything by `bighead new`, and what its check asks for."""
    begin(desk, "bag-delay")
    columns = ["bag:int64", "at:timestamp", "carrier:string", "weight:float64", "late:bool"]
    described = [word for column in columns for word in ("--column", column)]
    desk.bighead("new", "source", "bags", "--owner", "baggage", "--event-id", "bag", "--timestamp", "at", *described)
    (desk.clone / "features/sources/import_bags.py").write_text(IMPORT)
    (desk.clone / "dvc.yaml").write_text(ROOT_PIPELINE)
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=desk.clone, check=True, env=with_python())
    desk.bighead("new", "feature-set", "bag_delays", "--source", "bags", "--key", "carrier")
    made = desk.bighead("new", "model", "bag_delay", "--source", "bags", "--label", "late")
    assert {f"{MODEL}/{name}" for name in ("model.yaml", "model.py", "dvc.yaml", *LOCKS)} <= {*made["written"]}
    assert all((desk.clone / MODEL / name).read_bytes() == naming(default_lock(name)) for name in LOCKS)
    assert desk.bighead("check")["problems"] == []
    text = (desk.clone / MODEL / "model.yaml").read_text()
    (desk.clone / MODEL / "model.yaml").write_text(f"{text}\nfeatures: [{{set: bag_delays/v1}}]\n")
    assert "as_of is required" in str(desk.bighead("check", exit_code=1)["problems"])
    assert desk.bighead("retrain", "bag_delay/v1", "--as-of", "now")["run"]["as_of"].startswith("2026-01-10T00:0")
    assert desk.bighead("check", "--write")["problems"] == []


def train(desk: Desk) -> None:
    """All stages in the clone, and none of them twice."""
    first = desk.bighead("train", MODEL)
    assert {"training-set", "quality", "train", "evaluate", "package", "record"} <= first["seconds"].keys()
    assert first["reused"] == []
    record = json.loads((desk.clone / MODEL / "out" / "record.json").read_text())
    assert record["evaluation"]["metrics"]["auc"]["value"] > 0.8
    assert {"train", "evaluate", "package"} <= {*desk.bighead("train", MODEL)["reused"]}
    assert git(desk.clone, "status", "--porcelain", "--", "*.parquet", f"{MODEL}/out") == ""


def propose_and_merge(desk: Desk, message: str) -> None:
    """A pull request that passes its checks, approved by somebody else."""
    before = git(desk.clone, "rev-parse", "origin/main")
    git(desk.clone, "add", "--all")
    git(desk.clone, "commit", "--quiet", "--message", message)
    number = str(desk.bighead("pr", "open")["number"])
    assert desk.bighead("ci", number)["state"] == "passed"
    merge(desk, number)
    desk.bighead("deliver", "--since", before)


def promote_to_staging(desk: Desk) -> None:
    """The one pull request that the delivery opened."""
    pulls = desk.bighead("pr", "list")["pull_requests"]
    (number,) = [str(one["number"]) for one in pulls if one["state"] == "open"]
    assert desk.bighead("ci", number)["state"] == "passed"
    merge(desk, number)
    desk.bighead("reconcile")


def merge(desk: Desk, number: str) -> None:
    grace = Desk(desk.directory, "grace")
    grace.bighead("pr", "approve", number)
    assert grace.bighead("pr", "merge", number)["state"] == "merged"


def served(desk: Desk) -> dict[str, Any]:
    """The one variant of the release in staging, which is what runs."""
    (model,) = desk.bighead("status")["models"]
    assert (model["environment"], model["model"], model["differences"]) == ("staging", "bag_delay", [])
    git(desk.clone, "fetch", "--quiet")
    release = yaml.safe_load(git(desk.clone, "show", "origin/main:environments/staging/bag_delay.yaml"))
    found: dict[str, Any] = next(one for one in release["variants"] if one["weight"] == 100)
    return found


def ask(desk: Desk) -> None:
    """Features, callers' traffic, and one request."""
    features = desk.bighead("features", "get", "bag_delays/v1", "AA")
    assert next(value for name, value in features.items() if name.endswith("weight_count_7d")) > 0
    sent = desk.bighead("traffic", "bag_delay", "--env", "staging", "--rate", "20", "--seconds", "3")
    assert (sent["failed"], {*sent["by_version"]}) == (0, {"v1"})
    port = yaml.safe_load((desk.clone / "environments/staging/environment.yaml").read_text())["router"]["port"]
    url = f"http://127.0.0.1:{port}/bag_delay/predict"
    light, heavy = (httpx.post(url, json={"carrier": "AA", "weight": weight}).json()["score"] for weight in (5.0, 30.0))
    assert light < 0.5 < heavy


def with_python() -> dict[str, str]:
    """The environment of a shell in which this project's environment is active."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
