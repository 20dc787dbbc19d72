"""What a model's scores rest on is asked of its record."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.importance import importance_of
from bighead_ci.errors import InputError
from fakes.context import FakeContext
from fakes.shipping import merge_version


@pytest.mark.parametrize("written", ["models/late/v2", "late/v2", "models/late/v2/"])
def test_the_inputs_of_a_version_come_with_the_most_important_first(context: FakeContext, written: str) -> None:
    """Of the record of the version as main has it, however the version is written."""
    merge_version(context, "v2")
    found = importance_of(context, written)
    assert list(found.inputs.items()) == [("carrier_delays.dep_delay_sum_6h", 0.75), ("carrier", 0.25)]
    record = next(context.records.of_version("late", "v2"))
    assert (found.model, found.run_id, found.artifact) == ("late/v2", record.run_id, record.artifact)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("late", "'late' is no model version; write models/flight_delay/v2"),
        ("late/v2/out", "'late/v2/out' is no model version"),
        ("late/v9", "late/v9"),
        ("late/v1", "no record yet of late/v1"),
    ],
)
def test_what_has_no_record_is_refused_by_its_name(context: FakeContext, written: str, said: str) -> None:
    """No version, one that main does not have, and one that nothing has trained."""
    with pytest.raises(InputError, match=said):
        importance_of(context, written)


def test_a_record_of_an_engine_that_measured_none_is_said_to_have_none(context: FakeContext) -> None:
    """It is not shown as a model whose inputs do not matter."""
    merge_version(context, "v2")
    record = next(context.records.of_version("late", "v2"))
    older = record.model_copy(update={"evaluation": record.evaluation.model_copy(update={"importance": {}})})
    artifact = context.records.artifact(record.artifact)
    context.records.forget(record.run_id)
    context.records.save(older, {"artifact": artifact})
    with pytest.raises(InputError, match="measured no importance"):
        importance_of(context, "late/v2")
