from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bighead_ci.cli.authoring import new_command, schema_command
from bighead_ci.cli.check import check_command
from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.files import LOCKS
from bighead_ci.definitions.scaffold import default_lock
from bighead_ci.definitions.shared_locks import is_shared, lock_naming, shared_path
from bighead_ci.definitions.tree import DirectoryTree
from fakes.memory_tree import repository


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    locks = {f"models/late/v1/{name}": default_lock(name).decode() for name in LOCKS}
    for path, text in {**repository(), **locks}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert run(check_command, tmp_path, "--write").exit_code == 0
    return tmp_path


def run(command: Any, checkout: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--checkout", str(checkout)])


def files(checkout: Path) -> dict[str, str]:
    return {path.relative_to(checkout).as_posix(): path.read_text() for path in checkout.rglob("*") if path.is_file()}


def test_check_says_where_and_what_in_text_and_json(checkout: Path) -> None:
    """One mistake gives one line with its place, exit code 1, and the same as JSON."""
    file = checkout / "models/late/v1/model.yaml"
    file.write_text(file.read_text().replace("primary: auc", "primary: acu"))
    text = run(check_command, checkout)
    assert text.exit_code == 1
    assert "models/late/v1/model.yaml:17: evaluation.primary" in text.output
    data = json.loads(run(check_command, checkout, "--json").output)
    assert data["problems"][0]["suggestion"] == "auc"


def test_check_looks_only_at_the_given_paths(checkout: Path) -> None:
    """Paths narrow the check to what they are part of; a path that is not there is an input error."""
    (checkout / "environments/prod/environment.yaml").write_text("nonsense\n")
    assert run(check_command, checkout, "models/late/v1").exit_code == 0
    assert run(check_command, checkout).exit_code == 1
    assert run(check_command, checkout, "models/none").exit_code == 2


def test_check_finds_a_stale_pipeline_and_writes_it_anew(checkout: Path) -> None:
    """A dvc.yaml that is not what model.yaml generates is a problem that --write repairs."""
    (checkout / "models/late/v1/dvc.yaml").write_text("stages: {}\n")
    assert "run `bighead check --write`" in run(check_command, checkout).output
    assert run(check_command, checkout, "--write").exit_code == 0
    assert run(check_command, checkout).exit_code == 0


def test_a_new_version_is_a_copy_with_the_next_number(checkout: Path) -> None:
    """`new model` copies all authored files, generates dvc.yaml for the new place, and the result passes check."""
    before = files(checkout)
    result = CliRunner().invoke(new_command, ["model", "late", "--checkout", str(checkout), "--json"])
    assert result.exit_code == 0, result.output
    after = files(checkout)
    assert set(json.loads(result.output)["written"]) == after.keys() - before.keys()
    assert {path: after[path] for path in before} == before
    assert after["models/late/v2/model.yaml"] == before["models/late/v1/model.yaml"]
    assert "bighead stage train models/late/v2" in after["models/late/v2/dvc.yaml"]
    assert check_tree(DirectoryTree(checkout)) == []


def test_a_first_model_brings_the_shared_locks_and_the_next_only_names_them(checkout: Path) -> None:
    """The engine's own; a version's two locks are two lines each, and a copy of it repeats nothing else of them."""
    written = []
    for arguments in (
        ("early", "--source", "flights", "--label", "late"),
        ("tardy", "--source", "flights", "--label", "late"),
        ("early",),
    ):
        result = CliRunner().invoke(new_command, ["model", *arguments, "--checkout", str(checkout), "--json"])
        assert result.exit_code == 0, result.output
        written.append(json.loads(result.output)["written"])
    shared = {shared_path(default_lock(lock)): default_lock(lock) for lock in LOCKS}
    assert {path: (checkout / path).read_bytes() for path in written[0] if is_shared(path)} == shared
    assert not any(map(is_shared, [*written[1], *written[2]]))
    for folder in ("early/v1", "tardy/v1", "early/v2"):
        for lock in LOCKS:
            assert (checkout / "models" / folder / lock).read_bytes() == lock_naming(default_lock(lock))
            assert len((checkout / "models" / folder / lock).read_text().splitlines()) == 2
    assert check_tree(DirectoryTree(checkout)) == []


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (("model", "late", "--from", "v1"), "models/late/v2/model.yaml"),
        (("model", "other", "--from", "late/v1"), "models/other/v1/model.yaml"),
        (("model", "other", "--from", "late"), "models/other/v1/model.yaml"),
        (("model", "fresh", "--source", "flights", "--label", "late"), "models/fresh/v1/model.yaml"),
        (
            ("model", "minutes", "--source", "flights", "--label", "delay", "--task", "regression"),
            "models/minutes/v1/model.yaml",
        ),
        (
            ("model", "named", "--source", "flights", "--label", "origin", "--positive", "EWR"),
            "models/named/v1/model.yaml",
        ),
        (
            ("model", "first", "--source", "flights", "--label", "delay", "--task", "ranking", "--group", "origin"),
            "models/first/v1/model.yaml",
        ),
        (("feature-set", "delays"), "features/delays/v2/feature_set.yaml"),
        (("feature-set", "more", "--source", "flights", "--key", "origin"), "features/more/v1/feature_set.yaml"),
        (("source", "bags", "--owner", "x", "--event-id", "id", "--column", "id:int64"), "features/sources/bags.yaml"),
    ],
)
def test_everything_new_passes_check_at_once(checkout: Path, arguments: tuple[str, ...], made: str) -> None:
    """Each way to make something new leaves a repository without problems, and nothing half-written.

    Only a source of which just the columns are known lacks the stage that makes its data: `check` then says so.
    """
    result = CliRunner().invoke(new_command, [*arguments, "--checkout", str(checkout)])
    assert result.exit_code == 0, result.output
    assert made in files(checkout)
    assert check_tree(DirectoryTree(checkout)) == []
    assert run(check_command, checkout).exit_code == (1 if "source" in arguments else 0)
    assert not list(checkout.rglob(".new-*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("model", "Late"), "is no name"),
        (("model", "environment", "--source", "flights", "--label", "late"), "where an environment's definition is"),
        (("model", "fresh"), "give --source and --label"),
        (("model", "late", "--from", "v9"), "there is no such model version"),
        (("model", "late", "--source", "flights", "--label", "late"), "its next version is a copy"),
        (("model", "fresh", "--source", "fligths", "--label", "late"), "did you mean 'flights'?"),
        (("model", "fresh", "--source", "flights", "--label", "lat"), "has no such column"),
        (("feature-set", "more"), "give --source and --key"),
        (("feature-set", "more", "--source", "flights", "--key", "orgin"), "did you mean 'origin'?"),
        (("source", "flights", "--owner", "x", "--event-id", "id", "--column", "id:int64"), "exists already"),
        (("source", "bags", "--owner", "x", "--event-id", "id", "--column", "id"), "must be NAME:TYPE"),
        (("source", "bags", "--owner", "x", "--event-id", "id", "--column", "id:int46"), "did you mean 'int64'?"),
    ],
)
def test_a_wrong_wish_changes_nothing_and_says_why(checkout: Path, arguments: tuple[str, ...], words: str) -> None:
    """An input error leaves every file as it was."""
    before = files(checkout)
    result = CliRunner().invoke(new_command, [*arguments, "--checkout", str(checkout)])
    assert result.exit_code == 2
    assert words in result.output
    assert files(checkout) == before


def test_schema_prints_json() -> None:
    """`schema model` is the JSON Schema and nothing else."""
    printed = CliRunner().invoke(schema_command, ["model"]).output
    assert json.loads(printed)["title"] == "ModelDefinition"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--label", "origin"), "--positive: is required where labels are text"),
        (("--label", "delay", "--task", "ranking"), "--group: is required"),
        (("--label", "delay", "--task", "ranking", "--group", "nope"), "--group: source flights has no such column"),
        (("--label", "origin", "--task", "regression"), "--label: is no label of task regression; got origin: string"),
    ],
)
def test_what_a_new_model_lacks_is_said_of_the_option(checkout: Path, arguments: tuple[str, ...], message: str) -> None:
    """Nobody has the model.yaml yet whose field is wrong."""
    result = CliRunner().invoke(
        new_command, ["model", "fresh", "--source", "flights", *arguments, "--checkout", str(checkout)]
    )
    assert result.exit_code == 2
    assert result.output.startswith(message)
