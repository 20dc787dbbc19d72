"""`bighead render` in a work tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bighead_ci.cli.render import render_command
from bighead_ci.definitions.release_file import render_release
from bighead_ci.documents.release import Release
from fakes.memory_tree import model_files, repository
from fakes.placed_releases import ENVIRONMENT, PLAN, a_variant

RENDERED = Path("environments/prod/rendered")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with an environment on a cluster, where v2 of a model comes in."""
    release = Release(variants=[a_variant("v1", 90), a_variant("v2", 10)], canary=PLAN)
    files = repository(**model_files("models/late/v1"), **model_files("models/late/v2")) | {
        "environments/prod/environment.yaml": yaml.safe_dump(ENVIRONMENT),
        "environments/prod/late.yaml": render_release(release),
    }
    for path, text in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def render(checkout: Path, *options: str) -> Result:
    return CliRunner().invoke(render_command, ["--checkout", str(checkout), *options])


def test_files_are_written_where_they_are_missing(checkout: Path) -> None:
    """Those of the environment and of each release; none for an environment on this machine."""
    done = render(checkout, "--json")
    assert done.exit_code == 0, done.output
    written = json.loads(done.stdout)["written"]
    names = [Path(path).relative_to(RENDERED).as_posix() for path in written]
    assert [name.rpartition("-")[0] or name for name in names] == [
        "environment.yaml", "late/late-v1", "late/late-v2", "late/route.yaml", "late/watching.yaml",
    ]  # fmt: skip
    assert all((checkout / path).is_file() for path in written)
    assert render(checkout).output == "everything is as rendered\n"


def test_a_check_writes_nothing_and_says_what_differs(checkout: Path) -> None:
    """Edited by hand, missing, or rendered by nothing; exit code 1."""
    assert render(checkout).exit_code == 0
    (checkout / RENDERED / "late/route.yaml").write_text("by: hand\n")
    (checkout / RENDERED / "environment.yaml").unlink()
    stale = checkout / RENDERED / "gone/route.yaml"
    stale.parent.mkdir()
    stale.write_text("kind: HTTPRoute\n")
    done = render(checkout, "--check")
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        f"{RENDERED}/environment.yaml: is missing or not as rendered",
        f"{RENDERED}/gone/route.yaml: is rendered by nothing",
        f"{RENDERED}/late/route.yaml: is missing or not as rendered",
    ]
    assert stale.exists()
    assert render(checkout).exit_code == 0
    assert not stale.exists()
    assert render(checkout, "--check").exit_code == 0


def test_one_edited_version_renders_its_releases_alone(checkout: Path) -> None:
    """Nothing else is written."""
    assert render(checkout).exit_code == 0
    model = checkout / "models/late/v2/model.yaml"
    model.write_text(model.read_text() + "resources: {serve: {cpu: '3'}}\n")
    (written,) = json.loads(render(checkout, "--json").stdout)["written"]
    assert written.startswith(f"{RENDERED}/late/late-v2-")


def test_problems_are_all_said_and_nothing_is_written(checkout: Path) -> None:
    """With file and line."""
    (checkout / "environments/prod/late.yaml").write_text("variants: 3\n")
    done = render(checkout)
    assert done.exit_code == 2
    assert "environments/prod/late.yaml:1" in done.output
    assert not (checkout / RENDERED).exists()
