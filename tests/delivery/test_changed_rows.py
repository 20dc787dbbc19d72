"""A version is compared with what serves on rows that are the same rows, and else with nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.promote import promote
from bighead_ci.documents.report import PullRequestReport
from bighead_ci.features.parquet import read_file
from bighead_ci.planning.stages import PREDICTIONS
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.shipping import merge_version, promote_and_merge, ship


@pytest.fixture
def served(context: FakeContext) -> FakeContext:
    """v2 serves in staging and prod."""
    ship(context, "v2")
    return context


def predictions(context: FakeContext, version: str) -> tuple[str, pa.Table]:
    (record,) = context.records.of_version("late", version)
    kept = context.records.file(record.run_id, PREDICTIONS)
    assert kept is not None
    return record.run_id, read_file(kept)


def replace(context: FakeContext, run_id: str, table: pa.Table, tmp_path: Path) -> None:
    file = tmp_path / "other.parquet"
    pq.write_table(table, file)
    context.records.attach(run_id, {PREDICTIONS: file})


def shifted(table: pa.Table) -> pa.Table:
    """As if one row had come before all others: each id stands for the next row."""
    return table.set_column(0, "__event_id", pa.array([i + 1 for i in table["__event_id"].to_pylist()]))


def checked(context: FakeContext) -> PullRequestReport:
    context.orchestrator.skill["models/late/v3"] = 1.5
    pull = context.propose("late-v3", {**model_version("v3"), "models/late/v3/README.md": "# v3\n"})
    return check_pull_request(context, pull.number, silent)


def test_rows_that_changed_their_ids_fail_the_gate(served: FakeContext, tmp_path: Path) -> None:
    """A far better version does not pass a gate that compares, and the report says why for each environment."""
    run_id, table = predictions(served, "v2")
    replace(served, run_id, shifted(table), tmp_path)
    report = checked(served)
    (model,) = report.models
    assert report.state == "failed"
    assert model.differences == []
    assert [one.against for one in model.uncompared] == ["staging", "prod"]
    assert all("event ids changed their row" in one.reason and one.changed for one in model.uncompared)
    assert [gate for gate, _ in model.verdict.failures] == ["not_worse"]


def test_a_record_of_an_engine_that_kept_no_time_says_so(served: FakeContext, tmp_path: Path) -> None:
    """Nothing is compared with it, the gate fails, and what to do is said."""
    run_id, table = predictions(served, "v2")
    replace(served, run_id, table.drop_columns("__timestamp"), tmp_path)
    report = checked(served)
    assert report.state == "failed"
    reasons = {one.reason for one in report.models[0].uncompared}
    assert len(reasons) == 1
    assert "the record of v2 is of an engine before" in min(reasons)
    assert "run it again with this engine" in min(reasons)


def test_a_promotion_is_judged_by_the_same_rows(served: FakeContext, tmp_path: Path) -> None:
    """The gate of the promotion fails too, and its report says why."""
    merge_version(served, "v3", skill=1.5)
    promote_and_merge(served, "staging", "v3")
    run_id, table = predictions(served, "v2")
    replace(served, run_id, shifted(table), tmp_path)
    promotion = promote(served.acting("ada"), "late", "prod", "v3")
    assert promotion is not None
    assert "not_worse" in [gate for gate, _ in promotion.report.verdict.failures]
    assert [one.against for one in promotion.report.uncompared] == ["prod"]
