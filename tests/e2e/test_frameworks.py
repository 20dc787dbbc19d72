"""The examples of frameworks and a regression with quantiles, shipped: one pull request, each trained by its own lock.

Those that the engine's own environment does not satisfy need a package index. Where there is none, or where a library
has no wheel for this platform, these are left out, and the summary says which and why.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from bighead_ci import wiring
from bighead_ci.callers.requests import request_bodies
from bighead_ci.callers.traffic import Traffic, TrafficSummary
from bighead_ci.definitions.files import LOCKS, Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.demo.seed import MOMENT, write_seed
from bighead_ci.demo.steps import Steps
from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.progress import silent
from bighead_ci.workspaces.lifecycle import end_workspace
from bighead_ci.workspaces.runner_process import start_runner

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

ROOT = Path(__file__).resolve().parents[2]
ASKED: Mapping[str, dict[str, Any]] = {
    "arrival_delay": {"carrier": "UA", "origin": "EWR", "hour": 17, "weekday": 4, "distance": 2565},
    "late_departure": {"carrier": "UA", "origin": "EWR", "hour": 17, "weekday": 4},
    "aircraft_seats": {"manufacturer": "BOEING", "designation": "737-7H4", "engine": "Turbo-fan", "engines": 2},
    "delay_network": {"origin": "EWR", "hour": 17, "weekday": 4, "distance": 2565},
    "punctuality_table": {"carrier": "UA", "hour": 17},
    "aircraft_size": {"manufacturer": "The Boeing Company", "designation": "767-332"},
    "digit_network": json.loads((ROOT / "models/digit_network/v1/golden_rows.json").read_text())[0],
}
"""Model → what it is asked."""
PARTIAL = {"digit_network"}
"""Models whose libraries have no wheel for every platform."""
TEXT = "aircraft_size"
STAGING = {"steps": [10, 100], "soak": "3s", "minimum_requests": 100}
"""The only environment; a canary there has one step before the last."""
REQUESTS_PER_SECOND = 60.0
CHECK_SECONDS = 900.0
"""Of one pull request with all examples: two minutes on two processors of its own, six where others use them, too."""


@dataclass(frozen=True)
class Shipped:
    """A workspace whose staging serves the examples."""

    steps: Steps
    left_out: Mapping[str, str]
    """Model → why it is not among them."""

    def url(self, model: str) -> str:
        """Where the router answers for a model."""
        return next(one.url for one in self.steps.observed("staging") if one.model == model)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    directory = tmp_path_factory.mktemp("frameworks") / "workspace"
    workspace = wiring.create_workspace(directory, seed(directory / "seed"), MOMENT)
    context = wiring.context_of(workspace)
    try:
        left_out = without_environment(wiring.python_environments(workspace))
        start_runner(workspace)
        steps = Steps(context, directory / "clone", ROOT)
        models = [model for model in ASKED if model not in left_out]
        ship(steps, models)
        yield Shipped(steps, left_out)
    finally:
        end_workspace(workspace, context.stop_environment)


def seed(directory: Path) -> Path:
    """The demonstration's first commit, with one environment."""
    write_seed(ROOT, directory)
    (directory / "environments/prod/environment.yaml").unlink()
    file, yaml = directory / "environments/staging/environment.yaml", YAML()
    definition = yaml.load(file.read_text())
    definition["canary"] = STAGING
    with file.open("w") as text:
        yaml.dump(definition, text)
    return directory


def without_environment(environments: Any) -> dict[str, str]:
    """Models of which an environment cannot be made here, and why; those of the others are made."""
    files, found = Files(DirectoryTree(ROOT)), dict[str, str]()
    for model in ASKED:
        for lock in LOCKS:
            name = f"models/{model}/v1/{lock}"
            try:
                environments.ensure(name, files.valid_lock(name).text, silent)
            except RetryError as error:  # no package index answers
                found[model] = str(error)
                break
            except InputError as error:
                if model not in PARTIAL:
                    raise
                found[model] = str(error)
                break
    return found


def ship(steps: Steps, models: list[str]) -> None:
    """One pull request with all of them, merged; then each model's promotion."""
    paths = [f"models/{model}/v1" for model in models]
    number = steps.open_versions("frameworks", paths, "the examples of frameworks", who="ada")
    steps.await_check(number, seconds=CHECK_SECONDS)
    steps.approve_and_merge(number)
    for model in models:
        steps.merge_promotion(model, "staging", "v1")
    for model in models:
        steps.await_live(model, "staging", "v1")


@pytest.mark.parametrize("model", ASKED)
def test_an_example_trains_by_its_own_lock_and_answers_through_the_router(shipped: Shipped, model: str) -> None:
    """As its task answers, by the version that main names."""
    if model in shipped.left_out:
        pytest.skip(f"NOT RUN, for there is no environment for it: {shipped.left_out[model]}")
    answer = httpx.post(f"{shipped.url(model)}/predict", json=ASKED[model], trust_env=False, timeout=30)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.headers["x-bighead-version"] == "v1"
    found = answer.json()
    if model == "aircraft_seats":
        assert 100 < found["value"] < 200
    elif model == "arrival_delay":
        assert list(found["quantiles"]) == ["0.1", "0.5", "0.9"]
        assert -60 < found["quantiles"]["0.1"] < found["value"] < found["quantiles"]["0.9"] < 240
    elif "scores" in found:
        assert sum(found["scores"].values()) == pytest.approx(1)
        assert found["class"] == max(found["scores"], key=found["scores"].get)
    else:
        assert 0 < found["score"] < 1


def test_the_text_model_reads_what_nobody_wrote_that_way(shipped: Shipped) -> None:
    """Its own transformer and helper module run online: a spelling that is in no registry entry."""
    answer = httpx.post(f"{shipped.url(TEXT)}/predict", json=ASKED[TEXT], trust_env=False, timeout=30)
    assert answer.json()["class"] == "wide"


def test_a_second_version_of_own_code_takes_over_by_a_canary(shipped: Shipped) -> None:
    """10 %, then all of the traffic, each in a process of its own; no request fails meanwhile."""
    steps = shipped.steps
    steps.branch("longer", "grace")
    steps.narrator.asks("new", "model", TEXT, who="ada")
    file = steps.clone / f"models/{TEXT}/v2/model.yaml"
    text = file.read_text()
    assert "longest_ngram: 3" in text
    file.write_text(text.replace("longest_ngram: 3", "longest_ngram: 4"))
    number = steps.propose("longer", f"models/{TEXT}/v2", "aircraft_size v2: longer groups of letters", who="ada")
    steps.await_check(number)
    steps.approve_and_merge(number)
    bodies = request_bodies(steps.context, steps.context.main(), TEXT, "v1", silent)
    with Traffic(f"{shipped.url(TEXT)}/predict", bodies, REQUESTS_PER_SECOND) as traffic:
        steps.release(TEXT, "staging", "v2")
        side_by_side = beside(steps, traffic)
        steps.narrator.wait("v2 with all traffic", lambda: taken_over(steps) or None)
        summary = traffic.stop()
    assert set(side_by_side.by_version) == {"v1", "v2"}
    assert 0 < side_by_side.share("v2") < 50
    assert (summary.failed, summary.by_version["v2"] > 0) == (0, True)


def beside(steps: Steps, traffic: Traffic) -> TrafficSummary:
    """Two seconds of answers while both versions have traffic."""
    since = time.monotonic()

    def both() -> TrafficSummary | None:
        seen = traffic.since(since)
        return seen if len(seen.by_version) > 1 and time.monotonic() - since > 2 else None

    found: TrafficSummary = steps.narrator.wait("answers of both", both)
    return found


def taken_over(steps: Steps) -> bool:
    """Whether the router sends everything to v2; v1 stands by."""
    live = next(one for one in steps.observed("staging") if one.model == TEXT)
    return {one.version for one in live.variants if one.weight} == {"v2"}
