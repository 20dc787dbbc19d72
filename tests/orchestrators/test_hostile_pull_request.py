"""A hostile commit, run as the checks run it, changes nothing but its own outcome."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bighead_ci.errors import InputError
from bighead_ci.sandbox.choice import sandbox_of
from fakes.bags_bench import BagsBench, bags_bench
from fakes.bags_repository import BAGS, DATA, ROOT_PIPELINE
from fakes.repositories import git

pytestmark = pytest.mark.e2e
FORGED = "forged-by-the-branch"
HOSTILE = """
def attack():
    import os, socket, subprocess, sys, glob
    root, clone, port = {root!r}, {clone!r}, {port}
    def tried(name, action):
        try:
            print("train: tried", name, "DONE" if action() is None else "DONE", flush=True)
        except BaseException as error:
            print("train: tried", name, "refused", type(error).__name__, flush=True)
    def write(path):
        with open(path, "w") as file:
            file.write("{forged}")
    tried("record of another version", lambda: write(root + "/one/records/other/record.json"))
    tried("MLflow", lambda: write(root + "/one/records/mlflow.db"))
    tried("cache", lambda: write(sorted(glob.glob(root + "/one/dvc-cache/content/files/md5/*/*"))[0]))
    tried("new cache entry", lambda: write(root + "/one/dvc-cache/content/files/md5/ab"))
    tried("evaluation", lambda: write(os.path.dirname(sys.argv[3]) + "/evaluate/evaluation.json"))
    tried("clone", lambda: write(clone + "/NOTES.md"))
    tried("ref", lambda: write(clone + "/.git/refs/heads/main"))
    commit = ["git", "-C", clone, "-c", "user.name=bighead", "-c", "user.email=b@example.invalid",
              "commit", "--allow-empty", "--message", "{forged}"]
    tried("commit", lambda: subprocess.run(commit, check=True, capture_output=True))
    tried("network", lambda: socket.create_connection(("127.0.0.1", port), timeout=2))
    tried("secret", lambda: os.environ["DEPLOY_TOKEN"])
    tried("secret of the runner", lambda: 1 / open(f"/proc/{{os.getppid()}}/environ").read().count("DEPLOY_TOKEN"))
    tried("memory of the runner", lambda: open(f"/proc/{parent}/mem", "rb"))
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            import time
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{forged}"])
        os._exit(0)


"""


@pytest.fixture
def bench(trained_bags: Path, tmp_path: Path) -> Iterator[BagsBench]:
    with bags_bench(trained_bags, tmp_path / "bench") as found:
        yield found


def everything(directory: Path) -> dict[str, tuple[int, bytes]]:
    """All files below a directory, but what DVC and git write when they only look."""
    passing = {"tmp", "site", "checkouts", "index", "logs"}
    files = [path for path in directory.rglob("*") if path.is_file() and not passing & {*path.parts}]
    return {str(path): (path.stat().st_mode, path.read_bytes()) for path in files}


def test_hostile_code_changes_nothing_but_its_own_outcome(bench: BagsBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records, cache, forge, main, other stages, processes, network and secrets are out of its reach."""
    if sandbox_of(os.environ).kind == "none":
        pytest.skip("NOT RUN: this machine has no sandbox")
    monkeypatch.setenv("DEPLOY_TOKEN", "secret")
    records = bench.directory / "one" / "records"
    (records / "other").mkdir(parents=True)
    for name in ("other/record.json", "mlflow.db"):
        (records / name).write_text("as it was")
    honest, _ = bench.run(bench.machine("one"), bench.head)
    code = (bench.clone / BAGS / "model.py").read_text()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        facts = {"root": str(bench.directory), "clone": str(bench.clone), "port": server.getsockname()[1]}
        attack = HOSTILE.format(**facts, forged=FORGED, parent=os.getpid())
        attacked = bench.edit(
            f"{BAGS}/model.py",
            code.replace("def build(", f"{attack}def build(", 1).replace(
                "    from pathlib", "    attack()\n    from pathlib", 1
            ),
        )
        before, main = everything(bench.directory), git(bench.clone, "rev-parse", "main")
        bench.lines.clear()
        result, _ = bench.run(bench.machine("one"), attacked)
        with pytest.raises(BlockingIOError):
            server.accept()
    tried = [line for line in bench.lines if line.startswith("train: tried")]
    assert len(tried) == 12, bench.lines
    assert [line for line in tried if "refused" not in line] == []
    after = everything(bench.directory)
    assert {path: after.get(path) for path in before} == before
    assert [path for path, (_, content) in after.items() if path not in before and content == FORGED.encode()] == []
    assert git(bench.clone, "rev-parse", "main") == main
    alive = [one for one in psutil.process_iter(["cmdline"]) if FORGED in (one.info["cmdline"] or ())]
    assert alive == []
    assert result.evaluation == honest.evaluation


def test_a_command_of_the_data_leaves_no_rows_that_an_honest_run_takes(bench: BagsBench) -> None:
    """A pull request whose import makes other rows is refused by dvc.lock, and its rows reach nobody else's run."""
    honest = bench.head
    right = bench.inputs(honest).stages["training-set"][f"data:{DATA}"]
    git(bench.clone, "switch", "--quiet", "--create", "hostile")
    script = bench.clone / "features/sources/import_bags.py"
    edited = script.read_text().replace("400", "380")
    hostile = bench.edit("features/sources/import_bags.py", edited)
    with pytest.raises(InputError, match=r"not what dvc\.lock names|main does not have this very stage"):
        bench.run(bench.machine("two"), hostile)
    command = ROOT_PIPELINE.replace("cmd: python", "cmd: sed -i s/400/380/ features/sources/import_bags.py && python")
    git(bench.clone, "checkout", "--quiet", honest, "--", "features")
    with pytest.raises(InputError, match=r"not what dvc\.lock names|main does not have this very stage"):
        bench.run(bench.machine("two"), bench.edit("dvc.yaml", command))
    result, _ = bench.run(bench.machine("two"), honest)
    assert (result.data, result.training_set.rows) == ({DATA: right}, 400)


def test_a_command_of_the_data_sees_its_dependencies_and_leaves_its_outputs(bench: BagsBench) -> None:
    """What it does not declare is not there to be read; what it leaves beside is dropped; the checkout stays."""
    pipeline = bench.clone / "dvc.yaml"
    reads = ROOT_PIPELINE.replace("cmd: python", "cmd: cat README.txt models/bags/v1/model.py && python")
    pipeline.write_text(reads)
    (bench.clone / DATA).unlink()
    for name in ("dvc.lock",):
        (bench.clone / name).unlink()
    with pytest.raises(Exception, match=r"model\.py"):
        bench.pipeline("one").import_sources(bench.clone, bench.say)
    writes = ROOT_PIPELINE.replace("cmd: python", "cmd: echo x > left.txt && echo x > models/bags/v1/model.py; python")
    pipeline.write_text(writes)
    model = (bench.clone / "models/bags/v1/model.py").read_bytes()
    bench.pipeline("one").import_sources(bench.clone, bench.say)
    assert (bench.clone / DATA).exists()
    assert not (bench.clone / "left.txt").exists()
    assert (bench.clone / "models/bags/v1/model.py").read_bytes() == model
