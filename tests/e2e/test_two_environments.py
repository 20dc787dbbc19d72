"""Two versions of one model, each with libraries of its own, train and answer side by side on one machine.

The only test that downloads: two versions of a library cannot both be in the environment that tests run in. Where no
package index answers it is skipped, and the summary says so; `make setup` needed one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from bighead_ci import wiring
from bighead_ci.clocks import SystemClock
from bighead_ci.definitions.files import Files, Place
from bighead_ci.definitions.scaffold import copied_version
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.environment import Router
from bighead_ci.documents.live import DesiredModel, DesiredVariant
from bighead_ci.documents.record import RunResult
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.errors import RetryError
from bighead_ci.git.repository import GitRepository
from bighead_ci.images.process import ProcessImageBuilder
from bighead_ci.orchestrators.local import LocalOrchestrator
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import ARTIFACT, serving_image
from bighead_ci.platforms.local import LocalPlatform
from bighead_ci.platforms.processes import ProcessRuntime
from bighead_ci.wiring import stages
from bighead_ci.wiring.contexts import pipeline_of
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.layout import WORKSPACE_FILE, Workspace
from fakes.bags_repository import BUILT, begin_bags, commit, write

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
OLDER = {"training": ["scikit-learn==1.8.0"], "serving": ["onnxruntime==1.24.1"]}
KERNEL = "from sklearn.kernel_approximation import RBFSampler"
BAG = {"carrier": "AA", "weight": 21.0}


def silent(_: str) -> None: ...


@dataclass
class Trained:
    """A version after its run, and its image."""

    result: RunResult
    artifact: Path
    image: str
    built: str
    """The version of scikit-learn that model.py found."""


@dataclass
class Machine:
    """A workspace with the bags repository, whose v2 has older libraries, and whose v3 is v2 with a step to keep."""

    directory: Path
    workspace: Workspace
    repository: GitRepository
    images: ProcessImageBuilder

    def train(self, version: str) -> Trained:
        """Run a version's stages and build its image."""
        main = self.repository.resolve("main")
        tree = self.repository.tree(main)
        inputs = Inputs(Files(tree), InstalledEngine())
        model = inputs.definitions.model("bags", version)
        pipeline = pipeline_of(self.workspace)
        orchestrator = LocalOrchestrator(pipeline, self.workspace.checkouts, self.repository.checkout)
        kept = self.directory / "artifacts" / version
        lines: list[str] = []
        with orchestrator.run(main, inputs.of(model), lines.append) as outcome:
            shutil.copytree(outcome.files / ARTIFACT, kept)
        (built,) = [line.removeprefix(BUILT) for line in lines if line.startswith(BUILT)]
        serves = serving_image(model.definition.serving.kind, outcome.result.kind)
        image = self.images.ensure(inputs.recipe(serves, model), tree, silent)
        return Trained(outcome.result, kept, image.reference, built)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.delenv(variables.STATE, raising=False)
    workspace = Workspace(forge=tmp_path / "clone", state=tmp_path / "state")
    workspace.state.mkdir()
    workspace.write(workspace.state / WORKSPACE_FILE)
    clone = begin_bags(tmp_path / "clone", pipeline_of(workspace))
    write(clone, copied_version(DirectoryTree(clone), "model", "bags", Place("model", "bags", "v1")))
    write(clone, {"models/bags/v2/dvc.yaml": dvc_yaml(DirectoryTree(clone), "bags", "v2").encode()})
    try:
        stages.lock(clone, "models/bags/v2", OLDER, [], silent)
    except RetryError as error:
        pytest.skip(f"NOT RUN, because no package index answers for {OLDER}: {error}")
    write(clone, copied_version(DirectoryTree(clone), "model", "bags", Place("model", "bags", "v2")))
    code = (clone / "models/bags/v3/model.py").read_text()
    code = code.replace("from sklearn.linear_model", f"{KERNEL}\nfrom sklearn.linear_model")
    code = code.replace('("estimator",', '("kernel", RBFSampler(random_state=0)), ("estimator",')
    write(clone, {"models/bags/v3/model.py": code.encode()})
    write(clone, {"models/bags/v3/dvc.yaml": dvc_yaml(DirectoryTree(clone), "bags", "v3").encode()})
    commit(clone, "v2 with older libraries, v3 with a step that nothing compiles")
    images = ProcessImageBuilder(workspace.images, InstalledEngine(), wiring.python_environments(workspace))
    with GitRepository(clone) as repository:
        yield Machine(tmp_path, workspace, repository, images)


def test_two_versions_with_different_libraries_train_and_answer_side_by_side(machine: Machine) -> None:
    """Each is trained by the scikit-learn that its lock names, and answers from the onnxruntime that its lock names.

    Where its own code has to answer, it answers from what it was trained with.
    """
    trained = {version: machine.train(version) for version in ("v1", "v2", "v3")}
    locked = {version: one.result.packages for version, one in trained.items()}
    ran = [one.built for one in trained.values()]
    assert ran == [locked["v1"]["training"]["scikit-learn"], "1.8.0", "1.8.0"]
    assert ran[0] != ran[1]
    assert [one.result.fell for one in trained.values()] == [False, False, True]
    platform = LocalPlatform(
        "prod",
        machine.directory / "platform",
        router=Router(port=0),
        runtime=partial(
            ProcessRuntime, open_image=machine.images.open, bytecode=machine.directory / "platform" / "bytecode"
        ),
        artifact={one.result.artifact: one.artifact for one in trained.values()}.__getitem__,
        online_store=machine.workspace.online_store,
        predictions=machine.workspace.predictions,
        clock=SystemClock(),
    )
    platform.start()
    try:
        variants = [variant(version, one) for version, one in trained.items()]
        for one in variants:
            platform.ensure_variant(one, 120)
        platform.route(DesiredModel(environment="prod", model="bags", commit="a" * 40, variants=variants))
        (live,) = platform.observe()
        answers = [httpx.post(f"{live.url}/predict", json=BAG, trust_env=False) for _ in range(40)]
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.headers["x-bighead-version"] for answer in answers} == {"v1", "v2"}
        assert max(answer.json()["score"] for answer in answers) > 0.5
        processes = {one.version: one for one in live.variants}
        runtimes = {version: found_by(processes[version].pid, "onnxruntime") for version in ("v1", "v2")}
        assert runtimes == {"v1": locked["v1"]["serving"]["onnxruntime"], "v2": "1.24.1"}
        assert runtimes["v1"] != runtimes["v2"]
        fallen = httpx.post(f"http://127.0.0.1:{processes['v3'].port}/predict", json=BAG, trust_env=False)
        assert fallen.json()["artifact"] == trained["v3"].result.artifact
        assert found_by(processes["v3"].pid, "sklearn") == "1.8.0"
    finally:
        platform.stop()


def variant(version: str, trained: Trained) -> DesiredVariant:
    """With half of the traffic; v3 with none."""
    artifact = trained.result.artifact
    return DesiredVariant(
        name=f"bags-{version}-{artifact[7:15]}",
        model="bags",
        version=version,
        image=trained.image,
        artifact=artifact,
        run="run",
        weight=0 if version == "v3" else 50,
        serving=trained.result.serving,
    )


def found_by(pid: int | None, library: str) -> str:
    """The version of a library that the interpreter of a process finds."""
    code = f"import {library}; print({library}.__version__)"
    interpreter = psutil.Process(pid).cmdline()[0]
    return subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
