"""Every task goes through the stages: labels to scores, metrics and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.train import train
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.transforms.compilers import COMPILERS
from fakes.stage_checkout import MODEL, ROWS, evaluated, place_with_rows

QUANTILES = """\
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from bighead_ci.transforms.value_and_quantiles import ValueAndQuantiles

QUANTILES = [0.1, 0.9]


def trees(**settings):
    return HistGradientBoostingRegressor(**{"max_iter": 20, **settings})


def build(parameters):
    text = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("text", text, ["carrier"])], remainder="passthrough")
    last = ValueAndQuantiles(trees(), [trees(loss="quantile", quantile=q) for q in QUANTILES])
    return Pipeline([("columns", columns), ("trees", last)])
"""
LAST = 'ValueAndQuantiles(trees(), [trees(loss="quantile", quantile=q) for q in QUANTILES])'
NUMBERS = MODEL.replace("task: binary", "task: regression\nquantiles: [0.1, 0.9]").replace(
    "primary: auc", "primary: mae"
)


def minutes() -> pa.Array:
    """Labels that follow the hour, some of them negative."""
    generator = np.random.default_rng(0)
    hour = generator.integers(0, 24, ROWS)
    return pa.array(hour * 2.0 - 10 + generator.normal(0, 5, ROWS))


def test_more_than_two_classes_are_scored_by_name(tmp_path: Path) -> None:
    """Text labels become score columns of their names."""
    names = pa.array(np.array(["high", "low", "middle"], dtype=object)[np.arange(600) % 3])
    model = MODEL.replace("task: binary", "task: multiclass").replace("primary: auc", "primary: accuracy")
    place = place_with_rows(tmp_path, model=model, late=names)
    train(place, compiled(COMPILERS), silent)
    result = evaluate(place, silent)
    predictions = pq.read_table(place.out / "predictions.parquet")
    assert predictions.column_names == ["__event_id", "__timestamp", "label", "score_high", "score_low", "score_middle"]
    assert result.target.outputs == ["high", "low", "middle"]
    assert [one.name for one in result.charts] == ["confusion"]


def test_a_regression_with_quantiles_goes_through_the_stages(tmp_path: Path) -> None:
    """From numbers to an artifact that answers a value and its quantiles, and a histogram in its own bins."""
    place = place_with_rows(tmp_path, code=QUANTILES, model=NUMBERS, late=minutes())
    conversion = train(place, compiled(COMPILERS), silent)
    result = evaluate(place, silent)
    assert conversion.beyond_tolerance == 0
    assert set(result.metrics) == {"mae", "rmse", "r2", "pinball", "coverage_error", "crossing"}
    assert result.metrics["r2"].value > 0.5
    assert result.target.outputs == ["value", "q0.1", "q0.9"]
    assert result.score_histogram.bounds == result.target.bounds
    assert result.score_histogram.total == len(evaluated())
    assert [one.name for one in result.charts] == ["predictions", "coverage"]
    assert pq.read_table(place.out / "predictions.parquet").column_names[2:] == ["label", "value", "q0.1", "q0.9"]


def test_a_regression_that_gives_no_column_a_quantile_is_refused(tmp_path: Path) -> None:
    """What it should give is said, by name."""
    code = QUANTILES.replace(LAST, "trees()")
    place = place_with_rows(tmp_path, code=code, model=NUMBERS, late=minutes())
    with pytest.raises(InputError, match=r"predict: has the wrong shape; got \(\d+, 1\).*value, q0.1, q0.9"):
        train(place, compiled(COMPILERS), silent)


def test_a_loss_that_refuses_the_labels_says_which_and_where_it_is_built(tmp_path: Path) -> None:
    """A Poisson loss of negative labels: the estimator's own words, the label's name and range, and the line."""
    place = place_with_rows(
        tmp_path,
        code=QUANTILES.replace('"max_iter": 20', '"loss": "poisson"').replace(LAST, "trees()"),
        model=NUMBERS.replace("quantiles: [0.1, 0.9]\n", ""),
        late=minutes(),
    )
    with pytest.raises(InputError, match=r"models/late/v1/model\.py:\d+: fit: .*poisson.*the label is late, from -"):
        train(place, compiled(COMPILERS), silent)


def test_a_ranking_goes_through_the_stages(tmp_path: Path) -> None:
    """Rows of a group are never split, metrics are of groups, and predictions keep them."""
    model = MODEL.replace("task: binary", "task: ranking\ngroup: hour").replace("primary: auc", "primary: ndcg")
    code = QUANTILES.replace(LAST, "trees()")
    carriers = np.random.default_rng(5).choice(["AA", "UA", "DL"], ROWS)
    grades = pa.array((carriers == "AA") * 2 + (carriers == "UA"))
    place = place_with_rows(tmp_path, code=code, model=model, carrier=pa.array(carriers), late=grades)
    train(place, compiled(COMPILERS), silent)
    result = evaluate(place, silent)
    assert set(result.metrics) == {"ndcg", "ndcg_5", "ndcg_10", "mrr"}
    assert result.metrics["ndcg"].value == pytest.approx(1.0)
    table = pq.read_table(place.out / "training_set.parquet")
    groups = {
        part: set(table.filter(pc.equal(table["__part"], part))["__group"].to_pylist())
        for part in ("train", "evaluate")
    }
    assert groups["train"].isdisjoint(groups["evaluate"])
    assert pq.read_table(place.out / "predictions.parquet").column_names[2:] == ["label", "score", "group"]


THREE = MODEL.replace("task: binary", "task: multiclass")


def labels(*of_evaluation: str) -> pa.Array:
    """Of all rows: three classes to train on, these to evaluate on, in turn."""
    names = np.array(["high", "low", "middle"], dtype=object)[np.arange(ROWS) % 3]
    for place, row in enumerate(evaluated()):
        names[row] = of_evaluation[place % len(of_evaluation)]
    return pa.array(names)


def test_an_absent_class_of_the_evaluation_is_named(tmp_path: Path) -> None:
    """Two of three classes define every metric; the third is said to be absent."""
    place = place_with_rows(tmp_path, model=THREE, late=labels("high", "middle"))
    train(place, compiled(COMPILERS), silent)
    said: list[str] = []
    result = evaluate(place, said.append)
    assert len(result.notes) == 1
    assert set(result.metrics) == {"auc", "accuracy", "log_loss", "brier"}
    assert said[-1].startswith("no evaluation row is of class low: auc is the mean over the other 2")


def test_evaluation_rows_of_one_class_are_said_to_be_that(tmp_path: Path) -> None:
    """Only then; and it says which class, and where to look."""
    place = place_with_rows(tmp_path, model=THREE, late=labels("middle"))
    train(place, compiled(COMPILERS), silent)
    words = r"model\.yaml: evaluation\.primary: auc is not defined: all .* of one class, middle; see split"
    with pytest.raises(InputError, match=words):
        evaluate(place, silent)
