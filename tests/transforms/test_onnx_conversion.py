"""Estimators become graphs that give the same scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.scorers.onnx_graph import OnnxScorer
from bighead_ci.transforms.sklearn_estimator import to_onnx
from bighead_ci.transforms.torch_estimator import TorchClassifier

INPUTS = [
    ArtifactInput(name="carrier", type="string"),
    ArtifactInput(name="hour", type="int64"),
    ArtifactInput(name="carrier_delays.dep_delay_mean_7d", type="float64"),
]
DELAY = INPUTS[2].name
TOLERANCE = 1e-5


def manifest(inputs: list[ArtifactInput], classes: int) -> ArtifactManifest:
    return ArtifactManifest(
        model="m", version="v1", target=Target(task="multiclass", outputs=[str(index) for index in range(classes)]),
        inputs=inputs, request={}, features=[], feature_keys={},
    )  # fmt: skip


def rows(count: int, seed: int = 0) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    delay = generator.normal(10, 20, count).astype(np.float32)
    truth = (delay + generator.normal(0, 10, count) > 10).astype(np.int64)
    delay[generator.random(count) < 0.2] = np.nan
    columns: dict[str, npt.NDArray[Any]] = {
        "carrier": generator.choice(np.array(["AA", "UA", ""], dtype=object), count),
        "hour": generator.integers(0, 24, count).astype(np.float32),
        DELAY: delay,
    }
    return columns, truth


def pipeline(classifier: Any, numbers: Any) -> Pipeline:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("text", encoder, ["carrier"]), ("numbers", numbers, ["hour", DELAY])])
    return Pipeline([("columns", columns), ("classifier", classifier)])


def filled(classifier: Any) -> Pipeline:
    return pipeline(classifier, Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())]))


PIPELINES = {
    "logistic regression": lambda: filled(LogisticRegression()),
    "neural network": lambda: filled(MLPClassifier((4,), max_iter=30, random_state=0)),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_scores_the_same_as_a_graph(name: str) -> None:
    """Unknown categories and missing values included."""
    columns, truth = rows(3000)
    estimator = PIPELINES[name]().fit(estimator_frame(columns), truth)
    unseen, _ = rows(3000, seed=1)
    unseen["carrier"][:50] = "??"
    # The operator that imputes knows float32 alone.
    scores = OnnxScorer(manifest(INPUTS, 2), to_onnx(estimator, INPUTS, narrow=True)).score(unseen)
    assert np.abs(scores - estimator.predict_proba(estimator_frame(unseen))).max() <= TOLERANCE


def test_one_row_scores_as_the_batch_does() -> None:
    """A row by itself, None for what is missing, gets the score it has in the batch."""
    columns, truth = rows(500)
    estimator = PIPELINES["neural network"]().fit(estimator_frame(columns), truth)
    scorer = OnnxScorer(manifest(INPUTS, 2), to_onnx(estimator, INPUTS, narrow=True))
    batch = scorer.score(columns)
    for index in range(40):
        row = {name: values[index] for name, values in columns.items()}
        row = {name: None if pd.isna(value) or value == "" else value for name, value in row.items()}
        assert np.abs(np.array(scorer.score_row(row)) - batch[index]).max() <= 1e-7


@pytest.mark.parametrize("scaled", [False, True])
def test_an_estimator_of_several_columns_converts_without_a_column_transformer(scaled: bool) -> None:
    """The graph sets the columns side by side, whole numbers beyond float32 among them."""
    generator = np.random.default_rng(0)
    columns: dict[str, npt.NDArray[Any]] = {"x": generator.normal(size=200), "id": generator.integers(0, 2**40, 200)}
    inputs = [ArtifactInput(name="x", type="float64"), ArtifactInput(name="id", type="int64")]
    bare = MLPClassifier((4,), max_iter=20, random_state=0)
    estimator = make_pipeline(StandardScaler(), bare) if scaled else bare
    estimator.fit(estimator_frame(columns), (columns["x"] > 0).astype(np.int64))
    scores = OnnxScorer(manifest(inputs, 2), to_onnx(estimator, inputs)).score(columns)
    assert np.abs(scores - estimator.predict_proba(estimator_frame(columns))).max() <= TOLERANCE


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_are_refused_for_what_their_graph_asks_of_the_machine(lowercase: bool) -> None:
    """A locale, and an operator that the standard does not have: such a pipeline is served by its own code."""
    words = ColumnTransformer([("words", TfidfVectorizer(lowercase=lowercase), "text")])
    frame = pd.DataFrame({"text": ["Good day", "bad night"] * 5})
    estimator = make_pipeline(words, LogisticRegression()).fit(frame, [0, 1] * 5)
    with pytest.raises(InputError, match=r"com\.microsoft\.Tokenizer, which depends on the machine") as refused:
        to_onnx(estimator, [ArtifactInput(name="text", type="string")], narrow=True)
    assert ("StringNormalizer" in str(refused.value)) == lowercase


def test_an_estimator_without_a_converter_is_refused() -> None:
    """The message names the estimator."""

    class Homemade:
        def fit(self, _frame: object, _truth: object) -> None: ...

    with pytest.raises(InputError, match="Homemade cannot be turned into ONNX"):
        to_onnx(Homemade(), INPUTS)


def network(inputs: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, classes))


TENSORS = [ArtifactInput(name="pixels", type="float64", size=6), ArtifactInput(name="shade", type="int64")]


def tensors(count: int) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.int64]]:
    generator = np.random.default_rng(0)
    pixels = generator.normal(size=(count, 6)).astype(np.float32)
    shade = generator.integers(0, 4, count).astype(np.float32)
    return {"pixels": pixels, "shade": shade}, (pixels[:, 0] + shade > 1.5).astype(np.int64) + (pixels[:, 1] > 1)


def test_a_network_learns_and_scores_the_same_as_a_graph() -> None:
    """List and scalar columns side by side; the graph holds no path of the training machine."""
    columns, truth = tensors(400)
    classifier = TorchClassifier(network, epochs=15, learning_rate=0.02).fit(estimator_frame(columns), truth)
    graph = classifier.to_onnx(TENSORS)
    scores = OnnxScorer(manifest(TENSORS, 3), graph).score(columns)
    assert np.abs(scores - classifier.predict_proba(estimator_frame(columns))).max() <= TOLERANCE
    assert (scores.argmax(axis=1) == truth).mean() > 0.8
    assert __file__.encode() not in graph
    assert all(not node.metadata_props for node in onnx.load_from_string(graph).graph.node)


def test_the_same_seed_gives_the_same_network() -> None:
    """Training twice gives the same scores to the last bit, another seed does not."""
    columns, truth = tensors(200)
    frame = estimator_frame(columns)
    first, second, other = (
        TorchClassifier(network, epochs=3, seed=seed).fit(frame, truth).predict_proba(frame) for seed in (1, 1, 2)
    )
    assert (first == second).all()
    assert (first != other).any()


def test_a_network_refuses_text_and_missing_values_at_once() -> None:
    """Both problems are named."""
    frame = pd.DataFrame({"name": ["a", "b"], "x": np.array([1.0, np.nan], dtype=np.float32)})
    with pytest.raises(InputError, match=r"column name holds no numbers; column x has missing values"):
        TorchClassifier(network, epochs=1).fit(frame, np.array([0, 1]))
