"""What a score is made of is exact: as the libraries' own figures, and as Shapley values by their definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
from bighead_ci.documents.target import Target
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.ports.scorer import ExplainingScorer, Explanations, NoExplanationError
from bighead_ci.scorers.explaining import explain
from bighead_ci.scorers.registry import LOADERS
from bighead_ci.scorers.tree_paths import TreePaths
from bighead_ci.tasks.explaining import explanations_of
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.compiler import Compiled
from bighead_ci.transforms.forest import Forest, Tree
from bighead_ci.transforms.sklearn_trees import forest_of
from bighead_ci.transforms.table_compiler import linear, trees
from fakes.serving import FakeScorer
from oracles.shapley import shapley_values

KINDS = list("abcdefg")
INPUTS = {
    "carrier": ArtifactInput(name="carrier", type="string"),
    "kind": ArtifactInput(name="kind", type="string", categories=KINDS),
    "x": ArtifactInput(name="x", type="float64"),
    "y": ArtifactInput(name="y", type="float64"),
    "z": ArtifactInput(name="z", type="float64"),
}
Floats = npt.NDArray[np.float64]


def rows(count: int, names: Sequence[str], *, holes: bool = True, seed: int = 0) -> Columns:
    generator = np.random.default_rng(seed)
    made: Columns = {
        "carrier": generator.choice(np.array(["AA", "UA", "DL"], dtype=object), count),
        "kind": generator.choice(np.array(KINDS, dtype=object), count),
        **{name: generator.normal(size=count) for name in "xyz"},
    }
    if holes:
        for name in "xyz":
            made[name][generator.random(count) < 0.15] = np.nan
    return {name: made[name] for name in names}


def signal(columns: Columns) -> Floats:
    total = sum(np.nan_to_num(values) for values in columns.values() if values.dtype == np.float64)
    for name, some in (("kind", ["a", "c"]), ("carrier", ["AA"])):
        if name in columns:
            total = total + 2.0 * np.isin(columns[name], some)
    return np.asarray(total, dtype=np.float64)


def manifest_of(names: Sequence[str], task: str) -> ArtifactManifest:
    outputs = {"binary": ["no", "yes"], "multiclass": ["a", "b", "c"], "regression": ["value"]}[task]
    inputs = [INPUTS[name] for name in names]
    return ArtifactManifest(
        model="m", version="v1", target=Target(task=task, outputs=outputs), inputs=inputs, request={}, features=[],
        feature_keys={},
    )  # fmt: skip


def fitted(estimator: Any, names: Sequence[str], task: str = "binary", *, holes: bool = True) -> Columns:
    columns = rows(400, names, holes=holes)
    labels: Any = signal(columns)
    if task == "binary":
        labels = (labels > 0.5).astype(np.int64)
    if task == "multiclass":
        labels = np.digitize(labels, [0.0, 1.5])
    estimator.fit(estimator_frame(columns, [INPUTS[name] for name in names]), labels)
    return columns


def loaded(directory: Path, form: Compiled, manifest: ArtifactManifest) -> ExplainingScorer:
    for name, content in form.files.items():
        (directory / name).write_bytes(content)
    scorer = LOADERS[form.kind](directory, manifest.model_copy(update={"kind": form.kind}))
    assert isinstance(scorer, ExplainingScorer)
    return scorer


def adds_up(found: Explanations) -> None:
    np.testing.assert_allclose(found.base + found.shares.sum(axis=2), found.raw, rtol=1e-9, atol=1e-9)


BOOSTERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "xgboost": ("binary", lambda: xgboost.XGBClassifier(
        n_estimators=20, max_depth=5, enable_categorical=True, max_cat_to_onehot=2, n_jobs=1
    )),
    "xgboost of classes": ("multiclass", lambda: xgboost.XGBClassifier(
        n_estimators=8, enable_categorical=True, n_jobs=1
    )),
    "xgboost dart": ("regression", lambda: xgboost.XGBRegressor(
        n_estimators=8, booster="dart", rate_drop=0.3, enable_categorical=True, n_jobs=1
    )),
    "lightgbm": ("binary", lambda: lightgbm.LGBMClassifier(
        n_estimators=20, min_data_per_group=5, verbose=-1, n_jobs=1
    )),
    "lightgbm of classes": ("multiclass", lambda: lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1)),
    "lightgbm counts": ("regression", lambda: lightgbm.LGBMRegressor(
        n_estimators=8, objective="regression_l1", verbose=-1, n_jobs=1
    )),
}  # fmt: skip


def contributions(model: Any, frame: Any) -> Floats:
    """(rows, raw, inputs + 1) as the library has them, the base last."""
    if hasattr(model, "booster_"):
        found = np.asarray(model.booster_.predict(frame, pred_contrib=True))
        return found.reshape(len(frame), -1, frame.shape[1] + 1)
    data = xgboost.DMatrix(frame, enable_categorical=True)
    found = np.asarray(model.get_booster().predict(data, pred_contribs=True), dtype=np.float64)
    return found if found.ndim == 3 else found[:, None, :]


@pytest.mark.parametrize("name", BOOSTERS)
def test_boosters_are_explained_as_they_explain_themselves(tmp_path: Path, name: str) -> None:
    """With missing values and categories that they split on themselves."""
    task, make = BOOSTERS[name]
    model, names = make(), ("kind", "x", "y", "z")
    fitted(model, names, task)
    manifest = manifest_of(names, task)
    seen = rows(60, names, seed=1)
    found = loaded(tmp_path, trees(model, manifest, {}), manifest).explain(seen)
    wanted = contributions(model, estimator_frame(seen, manifest.inputs))
    scale = max(1.0, float(np.abs(wanted).max()))  # XGBoost adds float32
    np.testing.assert_allclose(found.shares / scale, wanted[:, :, :-1] / scale, atol=1e-6)
    np.testing.assert_allclose(np.tile(found.base, (60, 1)) / scale, wanted[:, :, -1] / scale, atol=1e-6)
    adds_up(found)


LIBRARY: dict[str, tuple[str, Callable[[], Any]]] = {
    "forest": ("multiclass", lambda: RandomForestClassifier(5, random_state=0)),
    "extra trees": ("regression", lambda: ExtraTreesRegressor(5, max_depth=6, random_state=0)),
    "boosting": ("binary", lambda: GradientBoostingClassifier(n_estimators=6, random_state=0)),
    "histogram": ("binary", lambda: HistGradientBoostingClassifier(max_iter=6)),
    "histogram of classes": ("multiclass", lambda: HistGradientBoostingClassifier(max_iter=3)),
    "histogram of counts": ("regression", lambda: HistGradientBoostingRegressor(max_iter=6)),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_trees_of_scikit_learn_are_explained_by_the_definition(tmp_path: Path, name: str) -> None:
    """All coalitions of their inputs."""
    task, make = LIBRARY[name]
    model, names, holes = make(), ("x", "y", "z"), name != "boosting"
    fitted(model, names, task, holes=holes)
    forest, manifest = forest_of(model), manifest_of(names, task)
    assert forest is not None
    seen = rows(8, names, holes=holes, seed=1)
    found = loaded(tmp_path, trees(model, manifest, {}), manifest).explain(seen)
    matrix = np.column_stack([seen[name] for name in names])
    matrix = matrix.astype(np.float32).astype(np.float64) if forest.narrow else matrix
    wanted = [shapley_values(forest, row, range(3), 3) for row in matrix]
    np.testing.assert_allclose(found.shares, np.stack(wanted), atol=1e-9)
    adds_up(found)


def test_the_columns_that_an_encoder_made_of_an_input_are_one_player(tmp_path: Path) -> None:
    """They are known together or not at all: no coalition knows that a carrier is not AA and not what it is."""
    columns = ColumnTransformer(
        [("text", OneHotEncoder(sparse_output=False), ["carrier"]), ("mean", TargetEncoder(random_state=0), ["kind"])],
        remainder="passthrough",
    )
    names = ("carrier", "kind", "x")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=10))
    fitted(model, names)
    forest, manifest = forest_of(model[-1]), manifest_of(names, "binary")
    assert forest is not None
    seen = rows(8, names, seed=1)
    found = loaded(tmp_path, trees(model, manifest, {}), manifest).explain(seen)
    encoded = np.asarray(columns.transform(estimator_frame(seen, manifest.inputs)), dtype=np.float64)
    wanted = [shapley_values(forest, row, [0, 0, 0, 1, 2], 3) for row in encoded]
    np.testing.assert_allclose(found.shares, np.stack(wanted), atol=1e-9)


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    """Trees of any shape over four numbers, with nodes that no training row saw."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        left, right, feature, threshold, cover = [-1], [-1], [0], [0.0], [draw(st.integers(0, 20))]
        for _ in range(draw(st.integers(0, 7))):
            node = draw(st.sampled_from([at for at, child in enumerate(left) if child < 0]))
            left[node], right[node] = len(left), len(left) + 1
            feature[node], threshold[node] = draw(st.integers(0, 3)), draw(st.floats(-2, 2))
            for part in (left, right):
                part += [-1, -1]
            feature, threshold, cover = [*feature, 0, 0], [*threshold, 0.0, 0.0], [*cover, *draw(_COVERS)]
        size = len(left)
        made.append(Tree(
            left=np.array(left), right=np.array(right), feature=np.array(feature), threshold=np.array(threshold),
            missing_left=np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size))),
            leaf=np.array(draw(st.lists(st.floats(-5, 5), min_size=size, max_size=size)))[:, None],
            cover=np.array(cover, dtype=np.float64), output=draw(st.integers(0, 1)),
        ))  # fmt: skip
    return Forest(made, np.array([0.5, -0.25]), "softmax", narrow=False)


_COVERS = st.lists(st.integers(0, 20), min_size=2, max_size=2)
NUMBERS = st.lists(st.floats(-2, 2) | st.just(np.nan), min_size=4, max_size=4)


@settings(max_examples=60, deadline=None)
@given(forests(), NUMBERS, st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_any_tree_gives_the_values_of_the_definition(forest: Forest, numbers: list[float], owners: list[int]) -> None:
    """Inputs that own no number, paths that ask an input again, shares of nothing."""
    arrays, depth = forest.arrays(4)
    row = np.array(numbers)
    compared = np.concatenate([np.where(np.isnan(row), -np.inf, row), row])
    paths = TreePaths(arrays, arrays["feature"] % 4, np.array(owners), 3)
    found = paths.shares(compared[arrays["feature"]] <= arrays["threshold"])
    np.testing.assert_allclose(found, shapley_values(forest, row, owners, 3), atol=1e-9)
    reached = arrays["roots"]
    for _ in range(depth):
        reached = arrays["right"][reached] + (compared[arrays["feature"][reached]] <= arrays["threshold"][reached])
    raw = forest.base + np.bincount(arrays["output"], arrays["leaf"][reached][:, 0], minlength=2)
    np.testing.assert_allclose(paths.base + found.sum(axis=1), raw, atol=1e-9)


def test_a_weighted_sum_is_explained_from_the_mean_of_its_training_rows(tmp_path: Path) -> None:
    """Imputed, flagged, scaled and encoded columns count for their input."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = ColumnTransformer([("numbers", numbers, ["x", "y"]), ("text", OneHotEncoder(), ["carrier"])])
    model, names = make_pipeline(columns, LogisticRegression()), ("carrier", "x", "y")
    training, manifest = fitted(model, names), manifest_of(names, "binary")
    found = loaded(tmp_path, linear(model, manifest, training), manifest).explain(rows(30, names, seed=1))
    adds_up(found)
    made = np.asarray(columns.transform(estimator_frame(rows(30, names, seed=1), manifest.inputs)))
    mean = np.asarray(columns.transform(estimator_frame(training, manifest.inputs))).mean(axis=0)
    effects = (made - mean) * model[-1].coef_[0]
    wanted = np.column_stack(
        [effects[:, 4:].sum(axis=1), effects[:, [0, 2]].sum(axis=1), effects[:, [1, 3]].sum(axis=1)]
    )
    np.testing.assert_allclose(found.shares[:, 0], wanted, atol=1e-9)


def test_what_is_explained_is_named_by_task_and_link(tmp_path: Path) -> None:
    """Log-odds of the positive class, probabilities of each, the logarithm of a value; inputs by name."""
    said = []
    counted = make_pipeline(StandardScaler(), PoissonRegressor())
    cases = [
        ("binary", trees, HistGradientBoostingClassifier(max_iter=3)),
        ("multiclass", trees, RandomForestClassifier(3, random_state=0)),
        ("regression", linear, counted),
    ]
    for task, form, model in cases:
        names = ("x", "y")
        columns, manifest = rows(200, names, holes=False), manifest_of(names, task)
        labels: Any = np.digitize(signal(columns), [0.0] if task == "binary" else [0.0, 1.5])
        model.fit(estimator_frame(columns, manifest.inputs), labels)
        directory = tmp_path / task
        directory.mkdir()
        found = loaded(directory, form(model, manifest, columns), manifest).explain(rows(1, names, holes=False))
        (one,) = explanations_of(found, manifest)
        said.append((one.of, [part.output for part in one.attributions]))
        for part in one.attributions:
            assert list(part.inputs) == ["x", "y"]
            assert part.base + sum(part.inputs.values()) == pytest.approx(part.raw)
    assert said == [("log_odds", ["yes"]), ("probability", ["a", "b", "c"]), ("log_value", ["value"])]


@pytest.mark.parametrize(("form", "lacking"), [(trees, "cover"), (linear, "means")])
def test_an_older_artifact_scores_and_says_how_to_be_explained(tmp_path: Path, form: Any, lacking: str) -> None:
    """It lacks what its engine did not keep."""
    model: Any = HistGradientBoostingClassifier(max_iter=3) if form is trees else LogisticRegression()
    columns, manifest = fitted(model, ("x", "y"), holes=False), manifest_of(("x", "y"), "binary")
    made = form(model, manifest, columns)
    with np.load(_file(tmp_path, made)) as stored:
        kept = {name: stored[name] for name in stored.files if name != lacking}
    np.savez(tmp_path / "older.npz", **kept)
    older = Compiled(made.kind, made.files | {"model.npz": (tmp_path / "older.npz").read_bytes()})
    scorer = loaded(tmp_path, older, manifest)
    with pytest.raises(
        NoExplanationError, match=r"m/v1 was made before there were explanations; .*bighead retrain m/v1"
    ):
        scorer.explain(columns)


def _file(directory: Path, made: Compiled) -> Path:
    path = directory / "whole.npz"
    path.write_bytes(made.files["model.npz"])
    return path


def test_a_kind_without_explanations_says_which_kinds_have_them() -> None:
    """A graph, or the version's own code."""
    with pytest.raises(NoExplanationError, match="kind onnx has no explanations; those of kinds trees and linear do"):
        explain(FakeScorer([0.5, 0.5]), {})
