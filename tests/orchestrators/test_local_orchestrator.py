"""The same inputs run once and anything else runs again, on real data, with real DVC and git."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bighead_ci
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.errors import InputError
from bighead_ci.orchestrators.data import cache_file
from bighead_ci.planning.stages import STAGES, Stage
from bighead_ci.ports.progress import silent
from fakes import import_spy
from fakes.bags_bench import BagsBench, bags_bench, pipeline_of_machine
from fakes.bags_repository import BAGS, DATA, IMPORT, SEED_VARIABLE, commit
from fakes.repositories import git

pytestmark = pytest.mark.e2e
NOBODYS = "a" * 32
"""Digest of no data."""


@pytest.fixture(scope="module")
def ran(trained_bags: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree in which all stages have run."""
    directory = tmp_path_factory.mktemp("ran")
    shutil.copytree(trained_bags, directory, dirs_exist_ok=True)
    pipeline_of_machine(directory, "one").run(directory / "clone", BAGS, silent)
    return directory / "clone"


@pytest.fixture
def bench(trained_bags: Path, tmp_path: Path) -> Iterator[BagsBench]:
    with bags_bench(trained_bags, tmp_path / "bench") as found:
        yield found


def test_data_that_differ_from_the_lock_train_nothing(bench: BagsBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose import makes other bytes says which data, and what to do, and keeps nothing."""
    monkeypatch.setenv(SEED_VARIABLE, "2")
    first = bench.head
    with pytest.raises(InputError) as raised:
        bench.run(bench.machine("two"), first)
    (problem,) = raised.value.problems
    assert (problem.file, problem.subject) == ("dvc.lock", DATA)
    assert problem.allowed == bench.inputs(first).stages["training-set"][f"data:{DATA}"]
    assert "dvc commit" in problem.message
    assert bench.fits == 0
    # What it made stays with it: the machine that has the right data is not touched, and the wrong data are not taken.
    result, _ = bench.run(bench.machine("one"), first)
    assert result.data == {DATA: problem.allowed}
    with pytest.raises(InputError):
        bench.run(bench.machine("two"), first)


def test_training_in_a_clone_never_rewrites_what_its_lock_names(
    bench: BagsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the data were edited, or are gone and the import makes others: refused, and dvc.lock is as it was."""
    pipeline = bench.pipeline("one")
    lock = (bench.clone / "dvc.lock").read_bytes()
    data = bench.clone / DATA
    right = data.read_bytes()
    data.unlink()
    data.write_bytes(right + b"one byte more")
    with pytest.raises(InputError, match=r"not what dvc\.lock names"):
        pipeline.run(bench.clone, BAGS, bench.say)
    assert ((bench.clone / "dvc.lock").read_bytes(), bench.fits) == (lock, 0)
    assert data.read_bytes() == right + b"one byte more"
    data.unlink()
    shutil.rmtree(pipeline.cache)
    monkeypatch.setenv(SEED_VARIABLE, "2")
    with pytest.raises(InputError, match=r"not what dvc\.lock names"):
        pipeline.run(bench.clone, BAGS, bench.say)
    assert ((bench.clone / "dvc.lock").read_bytes(), bench.fits) == (lock, 0)
    assert git(bench.clone, "status", "--porcelain") == ""


def test_data_that_are_gone_come_back_by_their_digest(bench: BagsBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the cache, although the import would make others now, or was itself edited since."""
    monkeypatch.setenv(SEED_VARIABLE, "2")
    edited = bench.edit(
        "features/sources/import_bags.py", (bench.clone / "features/sources/import_bags.py").read_text() + "# later\n"
    )
    result, _ = bench.run(bench.machine("one"), edited)
    assert result.data == {DATA: bench.inputs(edited).stages["training-set"][f"data:{DATA}"]}
    assert bench.fits == 0


def test_an_import_that_makes_the_same_data_elsewhere_is_fine(bench: BagsBench) -> None:
    """A machine with nothing in its cache imports, and comes to the same record."""
    first = bench.head
    here, _ = bench.run(bench.machine("one"), first)
    elsewhere, timings = bench.run(bench.machine("two"), first)
    assert elsewhere == here
    assert "sources/import_bags" in timings.seconds
    assert bench.fits == 1


def test_two_runs_of_one_version_learn_from_the_data_that_each_chose(
    bench: BagsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """run.yaml names data of an earlier day by digest: they come from the cache, and other data lie beside them."""
    first = bench.head
    chosen = bench.inputs(first).stages["training-set"][f"data:{DATA}"]
    early, _ = bench.run(bench.machine("one"), first)
    monkeypatch.setenv(SEED_VARIABLE, "2")
    bench.edit("features/sources/import_bags.py", f"{IMPORT}# of today\n")
    (bench.clone / DATA).unlink()
    (bench.clone / "dvc.lock").unlink()
    bench.pipeline("one").import_sources(bench.clone, silent)
    moved = commit(bench.clone, "new data")
    late, _ = bench.run(bench.machine("one"), moved)
    assert (late.data[DATA] != chosen, late.artifact != early.artifact) == (True, True)
    again, _ = bench.run(bench.machine("one"), bench.choose(chosen))
    assert (again.data, again.artifact) == (early.data, early.artifact)
    nowhere = bench.choose(NOBODYS)
    fits = bench.fits
    with pytest.raises(InputError) as raised:
        bench.run(bench.machine("one"), nowhere)
    (problem,) = raised.value.problems
    assert (problem.file, problem.subject, problem.allowed) == (f"{BAGS}/run.yaml", DATA, NOBODYS)
    assert bench.fits == fits


def test_code_finds_no_file_that_is_not_in_its_key(bench: BagsBench) -> None:
    """Neither by a path beside it nor from where it runs: what model.py reads there is what its version's key holds."""
    code = (bench.clone / BAGS / "model.py").read_text()
    for where in ('Path("features/sources/bags.yaml")', 'Path(__file__).with_name("README.md")'):
        reading = code.replace("    strength =", f"    {where}.read_text()\n    strength =")
        with pytest.raises(InputError, match="FileNotFoundError"):
            bench.run(bench.machine("one"), bench.edit(f"{BAGS}/model.py", reading))
    by_name = code.replace('Path(__file__).with_name("strength.txt")', 'Path("strength.txt")')
    bench.run(bench.machine("one"), bench.edit(f"{BAGS}/model.py", by_name))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_all_of_the_engine_that_a_stage_runs_is_in_its_key(ran: Path, tmp_path: Path, stage: Stage) -> None:
    """As a process of its own, done with its work, it has imported nothing but its component."""
    loaded = tmp_path / "loaded.json"
    command = [sys.executable, "-P", import_spy.__file__, str(loaded), stage.module, str(ran), BAGS, str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    package = Path(bighead_ci.__file__).parent
    files = {Path(file).relative_to(package).as_posix() for file in json.loads(loaded.read_text()).values()}
    assert "delivery/stages/place.py" in files
    assert files <= InstalledEngine().component({stage.module}).files.keys()


def test_what_a_branch_says_of_outputs_and_of_dvc_never_counts(bench: BagsBench) -> None:
    """A committed lock, record or cache setting is not there when its stages run; neither is code beside them."""
    honest, _ = bench.run(bench.machine("one"), bench.head)
    planted = {
        f"{BAGS}/dvc.lock": "schema: '2.0'\nstages: {train: {cmd: forged}}\n",
        f"{BAGS}/out/evaluation.json": '{"primary": "auc"}',
        f"{BAGS}/out/record.json": "forged",
        ".bighead/results": "a file where a directory must be",
        ".dvc/config": "[cache]\n    type = symlink\n[core]\n    no_such_setting = 1\n",
        "yaml.py": "raise SystemExit('imported from the checkout')\n",
        "dvc.py": "raise SystemExit('imported from the checkout')\n",
        "sitecustomize.py": "raise SystemExit('imported from the checkout')\n",
        "uv.toml": "index-url = 'http://192.0.2.1/'\n",
    }
    for path, text in planted.items():
        (bench.clone / path).parent.mkdir(parents=True, exist_ok=True)
        if not (bench.clone / path).is_dir():
            (bench.clone / path).write_text(text)
    git(bench.clone, "add", "--force", *(path for path in planted if (bench.clone / path).is_file()))
    git(bench.clone, "commit", "--quiet", "--message", "forged")
    result, _ = bench.run(bench.machine("one"), bench.head)
    assert result == honest


def test_data_that_was_damaged_in_the_cache_is_made_anew(bench: BagsBench) -> None:
    """A flipped byte is no data: what the digest names is made again, and comes out right."""
    digest = bench.inputs(bench.head).stages["training-set"][f"data:{DATA}"]
    cached = cache_file(bench.pipeline("one").cache, digest)
    right = cached.read_bytes()
    cached.chmod(0o644)
    cached.write_bytes(bytes([right[0] ^ 1]) + right[1:])
    data = bench.machine("one").sources(bench.head, bench.say) / DATA
    assert (data.read_bytes(), cached.read_bytes()) == (right, right)
