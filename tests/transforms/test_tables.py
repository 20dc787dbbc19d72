"""Trees and weighted sums score as the library does, to the last branch, whatever converter would not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.conversion import Trained, convert
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.documents.artifact import ArtifactInput, ArtifactManifest
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.frame import estimator_frame
from bighead_ci.scorers.artifact import open_artifact
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.compilers import COMPILERS

KINDS = list("abcdefg")
INPUTS = {
    "carrier": ArtifactInput(name="carrier", type="string"),
    "kind": ArtifactInput(name="kind", type="string", categories=KINDS),
    "id": ArtifactInput(name="id", type="int64"),
    "x": ArtifactInput(name="x", type="float64"),
    "y": ArtifactInput(name="y", type="float64"),
}
CARRIERS = np.array(["AA", "UA", "", "ZZ"], dtype=object)
HOLED = ("carrier", "id", "x", "y")


def rows(count: int, names: tuple[str, ...], *, holes: bool, seed: int = 0) -> Columns:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=count)
    if holes:
        x[generator.random(count) < 0.2] = np.nan
    made: Columns = {
        "carrier": generator.choice(CARRIERS, count, p=[0.5, 0.3, 0.19, 0.01]),
        "kind": generator.choice(np.array(KINDS, dtype=object), count),
        "id": generator.integers(0, 2**40, count),
        "x": x,
        "y": generator.normal(size=count) * 1e6,
    }
    return {name: made[name] for name in names}


def truth(columns: Columns) -> npt.NDArray[np.float64]:
    some = np.nan_to_num(columns["x"])
    if "kind" in columns:
        some = some + np.isin(columns["kind"], ["a", "c", "e"])
    return some + (columns["id"] > 2**39) if "id" in columns else some


def converted(
    directory: Path, estimator: Any, names: tuple[str, ...], *, holes: bool = True, task: str = "binary"
) -> MeasuredConversion:
    """Fit, convert, and score the artifact again as it is on disk."""
    inputs = [INPUTS[name] for name in names]
    training, evaluation = rows(800, names, holes=holes), rows(120, names, holes=holes, seed=1)
    labels: Any = (truth(training) > 0.8).astype(np.int64)
    if task == "multiclass":
        labels = np.digitize(truth(training), [0.3, 1.2])
    if task == "regression":
        labels = np.exp(truth(training))
    asked = "predict" if task == "regression" else "predict_proba"

    def scores(columns: Columns) -> npt.NDArray[np.float64]:
        frame = estimator_frame(columns, inputs)
        return np.asarray(getattr(estimator, asked)(frame), dtype=np.float64).reshape(len(frame), -1)

    about = manifest(task, inputs)
    authored = {name: values[:1] for name, values in evaluation.items()}
    with threadpool_limits(1):
        estimator.fit(estimator_frame(training, inputs), labels)
        trained = Trained(estimator, scores, authored, evaluation, training)
        said = convert(trained, about, compiled(COMPILERS), code(directory), directory / "artifact", lambda _: None)
        found = open_artifact(directory / "artifact").score(evaluation)
        np.testing.assert_allclose(found, scores(evaluation), rtol=1e-5, atol=1e-5)
    return said


OUTPUTS = {"binary": ["0", "1"], "multiclass": ["0", "1", "2"], "regression": ["value"]}


def manifest(task: str, inputs: list[ArtifactInput]) -> ArtifactManifest:
    return ArtifactManifest(
        model="m", version="v1", target=Target(task=task, outputs=OUTPUTS[task]), inputs=inputs, request={},
        features=[], feature_keys={},
    )  # fmt: skip


def code(directory: Path) -> ModelCode:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.py").write_text("def build(parameters): ...")
    return ModelCode(directory, "models/m/v1")


def encoded(model: Any) -> Any:
    encoder = OneHotEncoder(handle_unknown="ignore", min_frequency=20, sparse_output=False)
    return make_pipeline(ColumnTransformer([("text", encoder, ["carrier"])], remainder="passthrough"), model)


TREES: dict[str, Callable[[], Any]] = {
    "tree": lambda: DecisionTreeClassifier(max_depth=6, random_state=0),
    "forest": lambda: RandomForestClassifier(10, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(10, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=20, n_jobs=1),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1),
}


@pytest.mark.parametrize("name", TREES)
def test_trees_take_missing_values_and_thresholds_as_their_library_does(tmp_path: Path, name: str) -> None:
    """After an encoder with rare and unknown categories, with numbers that float32 does not hold."""
    said = converted(tmp_path, encoded(TREES[name]()), HOLED)
    assert said.conversion.kind == "trees"
    assert said.conversion.adversarial_rows > 100
    assert said.conversion.refused == []


@pytest.mark.parametrize("name", ["forest", "extra trees", "tree"])
def test_a_converter_that_is_wrong_on_nulls_is_not_asked(tmp_path: Path, name: str) -> None:
    """What skl2onnx makes of these scores rows with missing values otherwise, if it ends."""
    rounded = FunctionTransformer(np.round)
    with pytest.raises(InputError, match="onnx: skl2onnx is not asked for scikit-learn's trees"):
        converted(tmp_path, make_pipeline(rounded, TREES[name]()), ("x", "y"))


NATIVE: dict[str, Callable[[], Any]] = {
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=10, categorical_features=["kind"]),
    "histogram by type": lambda: HistGradientBoostingClassifier(max_iter=10, categorical_features="from_dtype"),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=10, enable_categorical=True, max_cat_to_onehot=2, n_jobs=1),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=10, min_data_per_group=5, verbose=-1, n_jobs=1),
}


@pytest.mark.parametrize("name", NATIVE)
def test_categories_that_trees_split_on_themselves_are_exact(tmp_path: Path, name: str) -> None:
    """Those of training, unknown ones and missing ones."""
    assert converted(tmp_path, NATIVE[name](), ("kind", "id", "x")).conversion.kind == "trees"


@pytest.mark.parametrize(
    ("labels", "task", "written"),
    [([0, 1, 2, 1], "multiclass", -float(np.float32(1e-35))), ([0, 0, 0, 1], "binary", 1e300)],
)
def test_lightgbm_takes_the_tiny_for_zero_and_any_number_below_a_written_infinity(
    tmp_path: Path, labels: list[int], task: str, written: float
) -> None:
    """What is written of a model is not all that it does: its own predictions decide."""
    values = np.tile([-1.0, 0.0, 1.0, np.nan], 100)
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)
    model.fit(estimator_frame({"x": values}), np.tile(labels, 100))
    assert written in _thresholds(model)
    about, mine = manifest(task, [INPUTS["x"]]), code(tmp_path)
    (trees,) = [way for way in compiled(COMPILERS)(model, about, mine, {"x": values}) if way.name == "trees"]
    scorer = trees.make(model, about, mine).scorer
    zero = float(np.float32(1e-35))
    near = [sign * number for sign in (1, -1) for number in (zero, np.nextafter(zero, 1), np.nextafter(zero, 0), 1e-40)]
    odd = np.array([*near, 0.0, np.nan, 1e300, 1.1e300, 1e308, np.inf, -1.1e300, -np.inf, 0.5, -0.5])
    np.testing.assert_allclose(scorer.score({"x": odd}), model.predict_proba(estimator_frame({"x": odd})), atol=1e-12)


def _thresholds(model: Any) -> list[float]:
    return [float(one) for one in model.booster_.trees_to_dataframe()["threshold"].dropna()]


def test_several_classes_and_values_are_summed_by_output(tmp_path: Path) -> None:
    """Boosters keep a tree a class; regressors answer a value, with the link of their loss."""
    boosted = HistGradientBoostingClassifier(max_iter=8)
    assert converted(tmp_path / "a", boosted, ("id", "x"), task="multiclass").conversion.kind == "trees"
    zero = lightgbm.LGBMClassifier(n_estimators=8, zero_as_missing=True, verbose=-1, n_jobs=1)
    assert converted(tmp_path / "b", zero, ("id", "x"), task="multiclass").conversion.kind == "trees"
    poisson = HistGradientBoostingRegressor(max_iter=8, loss="poisson")
    assert converted(tmp_path / "c", poisson, ("id", "x"), task="regression").conversion.kind == "trees"
    dart = xgboost.XGBRegressor(n_estimators=8, booster="dart", rate_drop=0.3, n_jobs=1)
    assert converted(tmp_path / "d", dart, ("id", "x"), task="regression").conversion.kind == "trees"
    classic = GradientBoostingClassifier(n_estimators=8, random_state=0)
    assert converted(tmp_path / "e", classic, ("id", "y", "x"), holes=False).conversion.kind == "trees"


def test_encoders_of_one_number_a_category_are_measured(tmp_path: Path) -> None:
    """Target means and places, over text and a categorical."""
    place = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer(
        [("mean", TargetEncoder(random_state=0), ["carrier"]), ("place", place, ["kind"])], remainder="passthrough"
    )
    model = RandomForestClassifier(5, random_state=0)
    assert converted(tmp_path, make_pipeline(columns, model), ("carrier", "kind", "x")).conversion.kind == "trees"


def test_weighted_sums_are_exact_where_a_graph_is_not(tmp_path: Path) -> None:
    """Imputed, flagged and scaled numbers, large whole ones among them; bare models of several columns."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    text = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("numbers", numbers, ["id", "x", "y"]), ("text", text, ["carrier"])])
    said = converted(tmp_path / "a", make_pipeline(columns, LogisticRegression()), HOLED)
    assert said.conversion.kind == "linear"
    bare = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis())
    assert converted(tmp_path / "b", bare, ("x", "y"), holes=False).conversion.kind == "linear"
    counts = make_pipeline(StandardScaler(), PoissonRegressor())
    said = converted(tmp_path / "c", counts, ("x", "y"), holes=False, task="regression")
    assert said.conversion.kind == "linear"


def test_what_has_no_form_is_refused_with_all_reasons(tmp_path: Path) -> None:
    """A line a kind that was tried."""
    nearest = make_pipeline(SimpleImputer(strategy="median"), KNeighborsClassifier(3))
    with pytest.raises(InputError) as refused:
        converted(tmp_path, nearest, ("id", "x", "y"))
    for kind in ("onnx:", "trees: KNeighborsClassifier is no ensemble", "linear: KNeighborsClassifier is no weighted"):
        assert kind in str(refused.value)
