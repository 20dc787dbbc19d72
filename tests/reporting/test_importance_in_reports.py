"""Reports say what the scores rest on, beside what runs."""

from __future__ import annotations

from bighead_ci.documents.explanation import Attributed
from bighead_ci.reporting.evaluation_tables import importance_table, input_shares
from fakes import reports as samples


def test_inputs_that_only_what_runs_has_come_last() -> None:
    """The rest by their own importance; an input that a side does not have has no share there."""
    record = samples.model_report().record
    mine = record.model_copy(
        update={"evaluation": record.evaluation.model_copy(update={"importance": {"a": 0.1, "b": 0.9}})}
    )
    theirs = record.model_copy(
        update={"evaluation": record.evaluation.model_copy(update={"importance": {"b": 0.4, "z": 0.6}})}
    )
    shares = [(one.name, one.mine, one.theirs) for one in input_shares(mine, [("prod v1", theirs)])]
    assert shares == [("b", 0.9, [0.4]), ("a", 0.1, [None]), ("z", None, [0.6])]


def test_a_run_without_importance_has_no_section_and_no_column() -> None:
    """Engines that did not measure it left none: there is nothing to show of their runs, and no row of zeros."""
    record = samples.model_report().record
    older = record.model_copy(update={"evaluation": record.evaluation.model_copy(update={"importance": {}})})
    assert importance_table("late v2", older, [("prod v1", record)]) == ""
    assert "prod v1" not in importance_table("late v2", record, [("prod v1", older)])


def test_exact_importance_has_a_column_where_it_was_measured() -> None:
    """Beside the other, and said to be exact."""
    record = samples.model_report().record
    exact = Attributed(of="log_odds", rows=500, inputs=dict.fromkeys(record.evaluation.importance, 1.0))
    mine = record.model_copy(update={"evaluation": record.evaluation.model_copy(update={"attributed": exact})})
    section = importance_table("late v2", mine, [("prod v1", record)])
    assert "| input | of the scores | of all &#124;SHAP&#124; | prod v1 |" in section
    assert "Shapley values of 500 evaluation rows (`log_odds`)" in section
    assert "SHAP" not in importance_table("late v2", record, [("prod v1", mine)])
