"""Names, types and the digest of a feature set's meaning."""

from __future__ import annotations

import pytest

from bighead_ci.documents.definition import Aggregation
from bighead_ci.errors import InputError
from bighead_ci.features.meaning import default_hop, feature_schema, features_of, meaning_digest
from oracles.events import feature_set

COUNT = Aggregation(column="x", operations=["count"], windows=["1h", "30d"])
LAST = Aggregation(column="s", operations=["last"], windows=["1d"])


def test_features_are_named_by_column_operation_and_window() -> None:
    """The order is the definition's."""
    found = features_of(feature_set(COUNT, LAST))
    assert [(feature.name, feature.type) for feature in found] == [
        ("x_count_1h", "int64"), ("x_count_30d", "int64"), ("s_last_1d", "string"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("window", "hop"), [("12d", "1d"), ("287h", "1h"), ("12h", "1h"), ("719m", "5m"), ("30s", "5m"), ("1d", "1h")]
)
def test_the_default_hop_grows_with_the_window(window: str, hop: str) -> None:
    """1d from 12 days, 1h from 12 hours, else 5m."""
    assert default_hop(window) == hop


def test_the_digest_ignores_what_does_not_change_a_value() -> None:
    """Owner, description, order, unused source columns and a spelt-out default hop leave the digest."""
    plain = feature_set(COUNT, LAST)
    spelt = Aggregation(column="s", operations=["last"], windows=["1d"], hop="1h")
    other = feature_set(spelt, COUNT)
    other = other.model_copy(update={
        "definition": other.definition.model_copy(update={"owner": "else", "description": "d"}),
        "source": other.source.model_copy(update={"columns": {**other.source.columns, "unused": "bool"}}),
    })  # fmt: skip
    assert meaning_digest(plain) == meaning_digest(other)


@pytest.mark.parametrize(
    "change",
    [{"hop": "exact"}, {"windows": ["1h", "29d"]}, {"operations": ["sum"]}, {"column": "n"}, {"default": 1.0}],
)
def test_the_digest_changes_with_the_meaning(change: dict[str, object]) -> None:
    """Hop, window, operation, column and default each count."""
    assert meaning_digest(feature_set(COUNT)) != meaning_digest(feature_set(COUNT.model_copy(update=change)))


def test_every_problem_of_a_set_is_told_at_once() -> None:
    """Unknown column with the closest, an operation that the type lacks, and a duplicate, all in one error."""
    broken = feature_set(
        Aggregation(column="xx", operations=["count"], windows=["1h"]),
        Aggregation(column="s", operations=["mean"], windows=["1h"]),
        COUNT,
        COUNT,
        key=["x"],
    )
    with pytest.raises(InputError) as raised:
        features_of(broken)
    text = str(raised.value)
    assert "got xx" in text
    assert "mean of s" in text
    assert "defined twice" in text
    assert "key must be int64 or string" in text


def test_a_schema_of_an_unknown_feature_suggests_the_closest() -> None:
    """A misspelt column of a model names what was meant."""
    with pytest.raises(InputError, match="did you mean 'x_count_30d'"):
        feature_schema(feature_set(COUNT), ["x_count_30dd"])
