"""A version's own code answers from a process of its own, with the checks and the log of every other kind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.live import ServingProcess
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import Lock, needed
from bighead_ci.planning.stages import CODE_SERVING_ENTRY_POINT
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import artifact_digest
from fakes.offline_store import MemoryOfflineStore
from fakes.serving import a_config
from fakes.stage_checkout import CODE, DIRECTORY, MODEL, placed, write_checkout

ALONE = MODEL.replace("features:\n  - {set: delays/v1, columns: [delay_mean_1h]}\n", "") + "serving: {kind: python}\n"
OWN = (
    CODE
    + '''

class Halved(Pipeline):
    """Business knows better: nothing is as late as it seems."""

    def details(self, X):
        return X[["carrier"]].rename(columns={"carrier": "why"}).assign(hour=X["hour"])

    def predict_proba(self, X):
        late = super().predict_proba(X)[:, 1] / 2
        return [[1 - share, share] for share in late]
'''
)
DETAILS = "details: {why: {type: string}, hour: {type: int64}}"
OWN = OWN.replace("return Pipeline(", "return Halved(")


def test_the_code_of_a_version_answers_callers(tmp_path: Path) -> None:
    """With what its authors made of the scores; a value of another type is refused before it gets there."""
    model = ALONE.replace(
        "{kind: python}",
        f"{{kind: python, trusted_types: [model.Halved], {DETAILS}}}",
    )
    checkout = write_checkout(tmp_path / "checkout", OWN, model)
    (checkout / DIRECTORY / "golden_rows.json").write_text('[{"carrier": "AA", "hour": 3}]')
    place = placed(checkout)
    make_training_set(place, MemoryOfflineStore(), silent)
    train(place, kept, silent)
    artifact = place.out / "artifact"
    config = a_config(tmp_path, artifact=artifact_digest(artifact), artifact_path=artifact, model="late", version="v1")
    config.write(tmp_path / "config.json")
    command = [sys.executable, "-m", CODE_SERVING_ENTRY_POINT, str(tmp_path / "config.json"), str(place.path)]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            url = _address(process, tmp_path / "process.json")
            answer = httpx.post(f"{url}/predict", json={"carrier": "UA", "hour": 23}, timeout=30)
            many = httpx.post(f"{url}/predict/batch", json={"rows": [{"carrier": "AA", "hour": 3}] * 2}, timeout=30)
            page = httpx.get(f"{url}/docs.json", timeout=30).json()
            refused = httpx.post(f"{url}/predict", json={"carrier": "UA", "hour": "late"}, timeout=30)
        finally:
            process.send_signal(signal.SIGTERM)
    assert answer.status_code == 200
    assert 0.45 < answer.json()["score"] <= 0.5
    assert answer.json()["details"] == {"why": "UA", "hour": 23}
    assert [one["details"] for one in many.json()["rows"]] == [{"why": "AA", "hour": 3}] * 2
    assert {*page["components"]["schemas"]["Details"]["properties"]} == {"why", "hour"}
    assert refused.status_code == 400


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    for _ in range(600):
        assert process.poll() is None, "the process refused to serve"
        if said.exists():
            return f"http://127.0.0.1:{ServingProcess.read(said).port}"
        time.sleep(0.1)
    raise AssertionError("the process did not answer in 60 s")


@pytest.mark.parametrize("lock", ["training", "serving"])
def test_both_locks_of_such_a_version_need_what_its_code_imports(tmp_path: Path, lock: Lock) -> None:
    """So `bighead lock` puts it there, and `bighead check` says what is missing."""
    inputs = Inputs(Files(DirectoryTree(write_checkout(tmp_path, CODE, ALONE))), InstalledEngine())
    found = needed(inputs, inputs.definitions.model("late", "v1"), lock)
    assert {"scikit-learn", "pandas", "skops"} <= found
