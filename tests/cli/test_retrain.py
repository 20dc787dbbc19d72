"""`bighead retrain` writes run.yaml, and nothing that `bighead check` refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bighead_ci.cli.check import check_command
from bighead_ci.cli.retrain import retrain_command
from bighead_ci.definitions.files import LOCKS
from bighead_ci.definitions.scaffold import default_lock
from bighead_ci.planning.meaning import DATA_LOCK
from bighead_ci.workspaces import variables
from fakes.memory_tree import repository

DIGEST = "1" * 32
"""Of digits alone: YAML reads it as a number unless it is quoted."""
VERSION = "models/late/v1"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(variables.STATE, raising=False)
    monkeypatch.chdir(tmp_path)
    locks = {f"{VERSION}/{name}": default_lock(name).decode() for name in LOCKS}
    lock = {DATA_LOCK: repository()[DATA_LOCK].replace("aaaa", f'"{DIGEST}"')}
    for path, text in {**repository(), **locks, **lock}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    check(tmp_path, "--write")
    return tmp_path


def check(checkout: Path, *arguments: str) -> None:
    done = CliRunner().invoke(check_command, [*arguments, "--checkout", str(checkout)])
    assert done.exit_code == 0, done.output


def retrain(checkout: Path, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(retrain_command, ["late/v1", *arguments, "--json", "--checkout", str(checkout)])
    assert done.exit_code == exit_code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_of(checkout: Path) -> Any:
    return yaml.safe_load((checkout / VERSION / "run.yaml").read_text())


def test_another_moment_is_another_key_and_the_same_moment_writes_nothing(checkout: Path) -> None:
    """The file's own words stay where its meaning does, and a zone is told in UTC."""
    (checkout / VERSION / "run.yaml").write_text("# by hand\nas_of: 2013-10-01T02:00:00+02:00\n")
    same = retrain(checkout, "--as-of", "2013-10-01")
    assert same["written"] == []
    assert (checkout / VERSION / "run.yaml").read_text().startswith("# by hand")
    later = retrain(checkout, "--as-of", "2013-11-01T12:00:00+02:00")
    assert later["written"] == [f"{VERSION}/run.yaml"]
    assert (checkout / VERSION / "run.yaml").read_text() == "as_of: 2013-11-01T10:00:00Z\n"
    assert later["content_key"] != same["content_key"]
    check(checkout)


def test_data_are_pinned_and_set_free_again(checkout: Path) -> None:
    """By the digests of dvc.lock, which then moves without them; the key stays while both are the same."""
    before = retrain(checkout, "--unpin-data")
    assert before["written"] == []
    pinned = retrain(checkout, "--pin-data")
    assert pinned["written"] == [f"{VERSION}/run.yaml", f"{VERSION}/dvc.yaml"]
    assert run_of(checkout)["data"] == {"flights": DIGEST}
    assert f".bighead/data/{DIGEST}/flights.parquet" in (checkout / VERSION / "dvc.yaml").read_text()
    assert pinned["content_key"] == before["content_key"]
    check(checkout)
    assert retrain(checkout, "--pin-data")["written"] == []
    (checkout / DATA_LOCK).write_text((checkout / DATA_LOCK).read_text().replace(DIGEST, "2" * 32))
    assert retrain(checkout, "--as-of", "2013-10-01")["content_key"] == pinned["content_key"]
    free = retrain(checkout, "--unpin-data")
    assert "data" not in run_of(checkout)
    assert free["content_key"] != pinned["content_key"]
    check(checkout)


def test_now_is_the_moment_of_the_data(checkout: Path) -> None:
    """Of the workspace, whose clock may live inside its data; here there is none, so that it is the machine's."""
    written = retrain(checkout, "--as-of", "now")["run"]["as_of"]
    assert written.endswith("Z")
    assert "." not in written
    assert retrain(checkout, "--as-of", written)["written"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say what the next run is made of"),
        (("--as-of", "yesterday"), "--as-of 'yesterday' is not an ISO 8601 time"),
        (("--as-of", "2013-05-01"), "nothing of the evaluation range is known at as_of"),
    ],
)
def test_a_run_that_cannot_be_writes_nothing(checkout: Path, arguments: tuple[str, ...], words: str) -> None:
    """What is wrong with it is said as `bighead check` would say it."""
    before = (checkout / VERSION / "run.yaml").read_bytes()
    assert words in str(retrain(checkout, *arguments, exit_code=2))
    assert (checkout / VERSION / "run.yaml").read_bytes() == before


def test_a_definition_with_problems_is_told_with_file_and_line(checkout: Path) -> None:
    """As are a version that is not there, and what is none."""
    (checkout / VERSION / "run.yaml").write_text("as_of: 2013-10-01T00:00:00Z\nas_off: x\n")
    (problem,) = retrain(checkout, "--as-of", "2013-11-01", exit_code=2)["problems"]
    assert (problem["file"], problem["line"], problem["suggestion"]) == (f"{VERSION}/run.yaml", 2, "as_of")
    for version in ("late/v7", "late"):
        done = CliRunner().invoke(retrain_command, [version, "--pin-data", "--checkout", str(checkout)])
        assert done.exit_code == 2


def test_a_data_digest_is_quoted(checkout: Path) -> None:
    """Whatever its digits, it is read back as it was written."""
    retrain(checkout, "--pin-data")
    assert f'flights: "{DIGEST}"' in (checkout / VERSION / "run.yaml").read_text()


def test_a_version_that_was_never_trained_gets_its_first_moment(checkout: Path) -> None:
    """Without run.yaml, and before its data was ever made: the file is written, and what is missing still is said."""
    (checkout / VERSION / "run.yaml").unlink()
    (checkout / DATA_LOCK).unlink()
    found = retrain(checkout, "--as-of", "2013-10-01")
    assert found["written"] == [f"{VERSION}/run.yaml"]
    assert found["content_key"] is None
    done = CliRunner().invoke(retrain_command, ["late/v1", "--as-of", "2013-10-01", "--checkout", str(checkout)])
    assert "before a pull request can train it: dvc.lock" in done.output
