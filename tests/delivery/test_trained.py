"""The page that `bighead train` leaves before there is a pull request."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.delivery.trained import report_trained
from bighead_ci.documents.record import Timings
from bighead_ci.documents.report import TrainedReport
from bighead_ci.errors import InputError
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import RECORD
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.memory_tree import dedented
from fakes.shipping import ship


@contextmanager
def trained(context: FakeContext, version: str, skill: float) -> Iterator[tuple[Path, Timings]]:
    """What the stages of a version leave in a checkout that nobody has pushed."""
    context.orchestrator.skill[f"models/late/{version}"] = skill
    files = {path: text.encode() for path, text in dedented(model_version(version)).items()}
    commit = context.repository.commit("mine", context.tip, dict(files), "mine", "ada")
    inputs = Inputs(Files(context.repository.tree(commit)), context.engine)
    found = inputs.of(inputs.definitions.model("late", version))
    with context.orchestrator.run(commit, found, silent) as outcome:
        outcome.result.write(outcome.files / RECORD)
        yield outcome.files, outcome.timings


def shown(page: Path) -> TrainedReport:
    """What the double's page holds."""
    text = page.read_text(encoding="utf-8").partition("<pre>")[2].partition("</pre>")[0]
    return TrainedReport.model_validate_json(html.unescape(text))


@pytest.mark.parametrize(("skill", "passed"), [(1.0, True), (0.0, False)])
def test_a_run_is_compared_with_what_serves_and_judged_by_mains_gates(
    context: FakeContext, skill: float, passed: bool
) -> None:
    """Metrics on the rows in common, drift, and the verdict that the checks would give; nothing is recorded."""
    ship(context, "v2")
    with trained(context, "v3", skill) as (out, timings):
        page = report_trained(context, out, timings, 12.0)
        assert page == out / "report.html"
        report = shown(page)
    assert report.model.record.id == "late/v3"
    assert {difference.against for difference in report.model.differences} == {"staging", "prod"}
    assert report.model.drift is not None
    assert report.model.verdict.passed is passed
    assert list(context.records.of_version("late", "v3")) == []
    assert context.forge.find("open") == []


def test_a_first_version_has_a_page_too(context: FakeContext) -> None:
    """Nothing serves, so nothing is compared; the gates are asked all the same."""
    with trained(context, "v2", 1.0) as (out, timings):
        report = shown(report_trained(context, out, timings, 12.0))
    assert report.model.differences == []
    assert "auc_floor" in [gate.gate for gate in report.model.verdict.gates]


def test_a_gate_on_main_that_cannot_be_read_gives_no_verdict(context: FakeContext) -> None:
    """It is named; a page without it would promise what the checks will not keep."""
    context.change_main({"policies/broken.yaml": "kind: no gate\n"}, "past the checks")
    with trained(context, "v2", 1.0) as (out, timings), pytest.raises(InputError, match=r"policies/broken\.yaml"):
        report_trained(context, out, timings, 12.0)
