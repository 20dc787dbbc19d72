"""Every estimator that `benchmarks.parity` tries: scikit-learn's own, and boosters with native categories."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

QUICK: Mapping[str, Any] = {
    "random_state": 0,
    "n_jobs": 1,
    "n_estimators": 10,
    "cv": 3,
    "max_subpopulation": 300,
    "n_alphas": 10,
}
"""Parameters of this name are set so, where an estimator has them: the same each time, and no more work than needed."""
TURNS: Mapping[str, int] = {
    "HistGradientBoostingClassifier": 20,
    "HistGradientBoostingRegressor": 20,
    "MLPClassifier": 40,
    "MLPRegressor": 40,
}
"""`max_iter` of those whose default takes long."""


@dataclass(frozen=True)
class Case:
    """An estimator for a task, behind some preprocessing."""

    estimator: str
    task: str
    pipeline: str
    inputs: tuple[str, ...]
    make: Callable[[], Any]

    @property
    def name(self) -> str:
        """`RandomForestClassifier, binary, scaled`."""
        return f"{self.estimator}, {self.task}, {self.pipeline}"


@dataclass(frozen=True)
class Preprocessing:
    """What comes before a model, and of which inputs."""

    inputs: tuple[str, ...]
    before: Callable[[Any], Any]
    """The pipeline of a model."""
    only_if_needed: bool = False
    """Tried where none of the others can be fitted."""


def _bare(model: Any) -> Any:
    return model


def _scaled(model: Any) -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    text = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("numbers", numbers, ["x", "y", "id", "n"]), ("text", text, ["carrier"])])
    return make_pipeline(columns, model)


def _ordinal(model: Any) -> Any:
    text = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler())
    columns = ColumnTransformer(
        [("text", text, ["carrier"]), ("numbers", numbers, ["x", "y"])], remainder="passthrough"
    )
    return make_pipeline(columns, model)


def _rare(model: Any) -> Any:
    rare = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    mean = make_pipeline(TargetEncoder(random_state=0), StandardScaler())
    numbers = make_pipeline(SimpleImputer(add_indicator=True), RobustScaler())
    columns = ColumnTransformer(
        [("rare", rare, ["carrier"]), ("mean", mean, ["kind"]), ("numbers", numbers, ["x", "y"])]
    )
    return make_pipeline(columns, model)


def _counts(model: Any) -> Any:
    return make_pipeline(ColumnTransformer([("codes", OrdinalEncoder(), ["carrier", "n"])]), model)


PREPROCESSING: Mapping[str, Preprocessing] = {
    "bare": Preprocessing(("x", "y", "id", "n"), _bare),
    "scaled, one-hot": Preprocessing(("carrier", "x", "y", "id", "n"), _scaled),
    "imputed, ordinal": Preprocessing(("carrier", "x", "y", "n"), _ordinal),
    "rare, target means": Preprocessing(("carrier", "kind", "x", "y"), _rare),
    "whole numbers": Preprocessing(("id", "serial", "n"), _bare),
    "counts": Preprocessing(("carrier", "n"), _counts, only_if_needed=True),
    "one number": Preprocessing(("y",), _bare, only_if_needed=True),
}


def scikit_learn_cases() -> Iterator[list[Case]]:
    """Of each estimator and task, its cases; where one says `only_if_needed`, the last."""
    for kind, tasks in (("classifier", ("binary", "multiclass")), ("regressor", ("regression",))):
        made = {name: _maker(cls) for name, cls in all_estimators(type_filter=kind)}
        for name, make in sorted({**made, **(_NAMED if kind == "classifier" else {})}.items()):
            for task in tasks:
                yield [
                    Case(name, task, pipeline, about.inputs, _behind(about, make))
                    for pipeline, about in PREPROCESSING.items()
                ]


def booster_cases() -> Iterator[Case]:
    """XGBoost and LightGBM by task, with categories of their own."""
    inputs = ("kind", "id", "n", "x", "y")
    shared = {"n_estimators": 10, "n_jobs": 1}
    xgb = shared | {"enable_categorical": True, "max_cat_to_onehot": 2}
    lgb = shared | {"min_data_per_group": 5, "verbose": -1}
    made: Mapping[str, tuple[str, Callable[[], Any]]] = {
        "XGBClassifier": ("binary", lambda: xgboost.XGBClassifier(**xgb)),
        "XGBClassifier ": ("multiclass", lambda: xgboost.XGBClassifier(**xgb)),
        "XGBRegressor": ("regression", lambda: xgboost.XGBRegressor(**xgb)),
        "XGBRegressor(dart)": ("regression", lambda: xgboost.XGBRegressor(booster="dart", rate_drop=0.3, **xgb)),
        "XGBRFClassifier": ("binary", lambda: xgboost.XGBRFClassifier(**xgb)),
        "XGBRanker": ("ranking", lambda: xgboost.XGBRanker(**xgb)),
        "LGBMClassifier": ("binary", lambda: lightgbm.LGBMClassifier(**lgb)),
        "LGBMClassifier ": ("multiclass", lambda: lightgbm.LGBMClassifier(**lgb)),
        "LGBMClassifier(zero_as_missing)": (
            "binary",
            lambda: lightgbm.LGBMClassifier(zero_as_missing=True, **lgb),
        ),
        "LGBMRegressor": ("regression", lambda: lightgbm.LGBMRegressor(**lgb)),
        "LGBMRegressor(poisson)": ("regression", lambda: lightgbm.LGBMRegressor(objective="poisson", **lgb)),
        "LGBMRanker": ("ranking", lambda: lightgbm.LGBMRanker(**lgb)),
    }
    for name, (task, make) in made.items():
        for pipeline, taken in (("categories", inputs), ("whole numbers", ("id", "serial", "n"))):
            yield Case(name.strip(), task, pipeline, taken, make)


def _behind(about: Preprocessing, make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: about.before(make())


def _maker(cls: Any) -> Callable[[], Any]:
    def make() -> Any:
        needed = _NEEDED.get(cls.__name__)
        model = cls(**needed(cls)) if needed else cls()
        known = inspect.signature(cls).parameters
        settings = {name: value for name, value in QUICK.items() if name in known}
        if cls.__name__ in TURNS:
            settings["max_iter"] = TURNS[cls.__name__]
        return model.set_params(**settings)

    return make


def _one(cls: Any) -> Mapping[str, Any]:
    return {"estimator": _inner(cls)}


def _several(cls: Any) -> Mapping[str, Any]:
    trees = DecisionTreeRegressor if cls.__name__.endswith("Regressor") else DecisionTreeClassifier
    return {"estimators": [("linear", _inner(cls)), ("tree", trees(max_depth=4, random_state=0))]}


def _inner(cls: Any) -> Any:
    regression = cls.__name__.endswith("Regressor") or cls.__name__ == "RegressorChain"
    return Ridge() if regression else LogisticRegression()


_NEEDED: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "ClassifierChain": _one,
    "FixedThresholdClassifier": _one,
    "MultiOutputClassifier": _one,
    "MultiOutputRegressor": _one,
    "OneVsOneClassifier": _one,
    "OneVsRestClassifier": _one,
    "OutputCodeClassifier": _one,
    "RegressorChain": _one,
    "SelfTrainingClassifier": _one,
    "StackingClassifier": _several,
    "StackingRegressor": _several,
    "TunedThresholdClassifierCV": _one,
    "VotingClassifier": lambda cls: {**_several(cls), "voting": "soft"},
    "VotingRegressor": _several,
}
"""What constructors require."""
_NAMED: Mapping[str, Callable[[], Any]] = {
    "CalibratedClassifierCV(LinearSVC())": lambda: CalibratedClassifierCV(LinearSVC(), cv=3),
    "NuSVC(probability=True)": lambda: NuSVC(nu=0.1, probability=True, random_state=0),
    "SGDClassifier(loss='log_loss')": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "SGDClassifier(loss='modified_huber')": lambda: SGDClassifier(loss="modified_huber", random_state=0),
    "SVC(probability=True)": lambda: SVC(probability=True, random_state=0),
}
"""Those that give probabilities only with a parameter."""
