"""A model is shipped to an environment of containers, as people do it: checks, promotion, canary, `git revert`.

The Docker engine is real, and so are the images: made of a base that is made here, from the example's own lock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bighead_ci import wiring
from bighead_ci.callers.requests import request_bodies
from bighead_ci.callers.traffic import Traffic
from bighead_ci.demo.seed import MOMENT, write_seed
from bighead_ci.demo.steps import Steps
from bighead_ci.docker_engine import connect
from bighead_ci.documents.live import LiveModel
from bighead_ci.ports.progress import silent
from bighead_ci.workspaces.lifecycle import end_workspace
from bighead_ci.workspaces.runner_process import start_runner
from fakes.docker_bench import base_image, why_no_base

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]
ROOT = Path(__file__).resolve().parents[2]
MODEL = "digit_reader"
CANARY = {"steps": [50, 100], "soak": "30m", "minimum_requests": 100}
REQUESTS_PER_SECOND = 40.0
CHECK_SECONDS = 900.0


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    if reason := why_no_base():
        pytest.skip(f"NOT RUN, nothing is shipped to containers here: {reason}")
    directory = tmp_path / "workspace"
    workspace = wiring.create_workspace(directory, seed(directory / "seed"), MOMENT)
    context = wiring.context_of(workspace)
    try:
        start_runner(workspace)
        yield Steps(context, directory / "clone", ROOT)
    finally:
        end_workspace(workspace, context.stop_environment)
    told = connect().api.containers(all=True, filters={"label": "bighead.environment"})
    assert not [one for one in told if any(str(directory) in mount["Source"] for mount in one["Mounts"])]


def seed(directory: Path) -> Path:
    """The demonstration's first commit, with one environment, of containers."""
    write_seed(ROOT, directory)
    (directory / "environments/prod/environment.yaml").unlink()
    file, yaml = directory / "environments/staging/environment.yaml", YAML()
    definition = yaml.load(file.read_text())
    definition |= {"platform": "docker", "base": base_image(), "canary": CANARY}
    with file.open("w") as text:
        yaml.dump(definition, text)
    return directory


def observed(steps: Steps) -> LiveModel:
    return next(one for one in steps.observed("staging") if one.model == MODEL)


def weights(steps: Steps) -> dict[str, int]:
    """Version → weight in force, of containers that have traffic."""
    return {one.version: one.weight for one in observed(steps).variants if one.weight}


def test_a_canary_over_two_containers_is_reverted_and_no_request_fails(steps: Steps) -> None:
    """What `git revert` takes back is off within the same load; images are named by the engine's own digests."""
    number = steps.open_version("first", f"models/{MODEL}/v1", "digit_reader v1", who="linus")
    steps.await_check(number, seconds=CHECK_SECONDS)
    steps.approve_and_merge(number)
    steps.release(MODEL, "staging", "v1")
    (variant,) = observed(steps).variants
    assert variant.image.startswith(f"engine/{MODEL}@sha256:")
    bodies = request_bodies(steps.context, steps.context.main(), MODEL, "v1", silent)
    steps.branch("second", "linus")
    steps.narrator.asks("new", "model", MODEL, who="linus")
    file = steps.clone / f"models/{MODEL}/v2/model.yaml"
    text = file.read_text()
    assert "epochs: 40" in text
    file.write_text(text.replace("epochs: 40", "epochs: 41"))
    number = steps.propose("second", f"models/{MODEL}/v2", "digit_reader v2: an epoch more", who="linus")
    steps.await_check(number, seconds=CHECK_SECONDS)
    steps.approve_and_merge(number)
    with Traffic(f"{observed(steps).url}/predict", bodies, REQUESTS_PER_SECOND) as traffic:
        steps.release(MODEL, "staging", "v2")
        steps.narrator.wait("half of the traffic", lambda: weights(steps) == {"v1": 50, "v2": 50} or None)
        since = time.monotonic()
        steps.narrator.wait("answers of both", lambda: len(traffic.since(since).by_version) > 1 or None)
        revert(steps)
        steps.narrator.wait("v1 alone", lambda: weights(steps) == {"v1": 100} or None)
        steps.narrator.wait("one container", lambda: len(observed(steps).variants) == 1 or None)
        summary = traffic.stop()
    assert summary.failed == 0
    assert set(summary.by_version) == {"v1", "v2"}


def revert(steps: Steps) -> None:
    """What on-call does."""
    git = steps.narrator.git
    git("fetch", "--quiet", "origin", who="grace")
    git("checkout", "--quiet", "-B", "main", "origin/main", who="grace")
    commit = steps.context.main().log.of("staging", MODEL, limit=1)[0].commit
    merge = ["-m", "1"] if len(commit.parents) > 1 else []
    git("revert", "--no-edit", *merge, commit.id[:10], who="grace")
    git("push", "--quiet", "origin", "main", who="grace")
