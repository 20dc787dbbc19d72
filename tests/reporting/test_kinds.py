"""Reports say what answers, what a row costs, and why it is nothing faster."""

from __future__ import annotations

from typing import Any

import pytest

from bighead_ci.documents.artifact import Kind
from bighead_ci.documents.record import Conversion, RefusedKind, RunRecord
from bighead_ci.documents.report import ModelReport
from bighead_ci.reporting.headline import headline
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples

REASON = "scores 3 of 900 rows differently by more than 1e-05 (by 0.38 for a row with nulls in hour)"


def of_kind(kind: Kind, **changes: Any) -> ModelReport:
    """A model whose estimator became this kind, after ONNX was refused."""
    model = samples.model_report()
    conversion = Conversion(
        kind=kind,
        rows=900,
        adversarial_rows=300,
        tolerance=1e-5,
        largest=1e-9,
        refused=[RefusedKind(kind="onnx", reason=REASON)],
    )
    evaluation = model.record.evaluation.model_copy(update={"conversion": conversion})
    record = model.record.model_copy(update={"evaluation": evaluation, "row_milliseconds": 1.93, **changes})
    return model.model_copy(update={"record": RunRecord.model_validate(record.model_dump())})


def comment(model: ModelReport) -> str:
    """The report on a pull request with this model alone."""
    return Renderer().markdown(samples.pull_request(models=[model]))


@pytest.mark.parametrize(
    ("kind", "words"), [("trees", "trees, 1.93 ms a row"), ("python", "its own code, 1.93 ms a row")]
)
def test_the_verdict_says_what_answers_and_what_a_row_costs(kind: Kind, words: str) -> None:
    """In one line, beside the metric."""
    assert f" · {words} · " in headline(samples.pull_request(models=[of_kind(kind)]))


def test_a_version_whose_own_code_answers_unasked_says_why_and_what_to_write() -> None:
    """A line for each kind that was refused."""
    found = comment(of_kind("python"))
    assert "- ⚠️ **No compiled kind**: its own code, 1.93 ms a row" in found
    assert "  - not `onnx`: scores 3 of 900 rows differently" in found
    assert "`serving: {kind: python}`" in found


def test_a_compiled_kind_is_told_of_with_the_run() -> None:
    """Why it is not the first one that was tried is there for who asks."""
    found = comment(of_kind("trees"))
    assert "No compiled kind" not in found
    assert "- trees, 1.93 ms a row; not `onnx`: scores 3 of 900 rows" in found


def test_a_version_that_asked_for_its_own_code_is_not_warned() -> None:
    """It is what model.yaml says."""
    serving = samples.model_report().record.serving.model_copy(update={"kind": "python"})
    assert "No compiled kind" not in comment(of_kind("python", serving=serving))


def test_a_record_from_before_there_were_kinds_says_nothing_of_them() -> None:
    """Nobody measured it."""
    assert "ms a row" not in comment(samples.model_report())
