"""`bighead reconcile --diff`: what would change, before anything does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bighead_ci import wiring
from bighead_ci.cli.delivery import reconcile_command
from bighead_ci.delivery.reconcile import settle
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext
from fakes.shipping import ship


def test_what_would_change_is_shown_and_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hand edit by its field; exit 1 tells a script. In step there is nothing to show, and exit 0."""
    context = FakeContext(tmp_path)
    monkeypatch.setattr(wiring, "context", lambda: context)
    ship(context, "v2")
    settle(context, silent)
    done = CliRunner().invoke(reconcile_command, ["--diff"])
    assert done.exit_code == 0, done.output
    assert "nothing would change" in done.stdout
    context.platforms["prod"].drifted["late"] = ["Deployment late-v2: spec.replicas is 3, main says 1"]
    calls = list(context.platforms["prod"].calls)
    shown = CliRunner().invoke(reconcile_command, ["--diff"])
    assert (shown.exit_code, shown.stdout) == (1, "prod/late: Deployment late-v2: spec.replicas is 3, main says 1\n")
    (model,) = json.loads(CliRunner().invoke(reconcile_command, ["--diff", "--json"]).stdout)["models"]
    assert model["differences"] == ["Deployment late-v2: spec.replicas is 3, main says 1"]
    assert context.platforms["prod"].calls == calls
