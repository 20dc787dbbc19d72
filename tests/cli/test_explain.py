"""`bighead explain` of a model version instead of a gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bighead_ci import wiring
from bighead_ci.cli.gates import explain_command
from bighead_ci.errors import InputError
from fakes.context import FakeContext
from fakes.shipping import merge_version


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeContext:
    """A workspace with a record of late/v2, where commands find it."""
    made = FakeContext(tmp_path)
    merge_version(made, "v2")
    monkeypatch.setattr(wiring, "context", lambda: made)
    return made


@pytest.mark.parametrize("asked", [["models/late/v2"], ["--model", "late/v2"]])
@pytest.mark.usefixtures("context")
def test_a_model_version_is_explained_by_its_inputs(asked: list[str]) -> None:
    """Named by its directory, or by --model without a gate; people and programs see the same shares."""
    done = CliRunner().invoke(explain_command, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["inputs"] == {"carrier_delays.dep_delay_sum_6h": 0.75, "carrier": 0.25}
    shown = CliRunner().invoke(explain_command, asked)
    assert shown.exit_code == 0, shown.output


@pytest.mark.usefixtures("context")
def test_a_gate_is_still_explained_on_a_record() -> None:
    """A subject without a slash is a gate."""
    done = CliRunner().invoke(explain_command, ["auc_floor", "--model", "late/v2", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["passed"] is True


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "say what to explain"),
        (["models/late/v2", "--pr", "3"], "models/late/v2 is a model version and no gate"),
        (["--model", "late", "--canary", "prod"], "say what to explain: a gate"),
        (["models/late/v2", "--model", "late/v1"], "models/late/v2 is a model version and no gate"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: list[str], said: str) -> None:
    """Nothing is left out of what was asked without a word."""
    done = CliRunner().invoke(explain_command, [*asked, "--json"])
    assert done.exit_code == InputError.exit_code
    assert said in done.output
