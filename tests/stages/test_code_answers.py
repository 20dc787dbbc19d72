"""Kind `python`: the version's own code answers, from a state that is data, and is scored as callers will be."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from functools import partial
from pathlib import Path

import pytest

from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.delivery.stages.package import package
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.model_code.scorer import load_code_scorer
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import artifact_digest, load_artifact
from fakes.offline_store import MemoryOfflineStore
from fakes.stage_checkout import DIRECTORY, MODEL, placed, write_checkout

TRUSTED = "\n  trusted_types: [words.Lower]\n"
PYTHON = MODEL + "serving:\n  kind: python" + TRUSTED
WORDS = '''\
"""A transformer that no converter knows."""

from sklearn.base import BaseEstimator, TransformerMixin


class Lower(TransformerMixin, BaseEstimator):
    """Text in lower case."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X["carrier"].str.lower()
'''
BUILD = """\
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from words import Lower


def build(parameters):
    text = Pipeline([("lower", Lower()), ("tfidf", TfidfVectorizer(analyzer="char", ngram_range=(1, 2)))])
    columns = ColumnTransformer([("text", text, ["carrier"]), ("hour", "passthrough", ["hour"])])
    return Pipeline([("columns", columns), ("classifier", LogisticRegression(C=parameters["strength"], max_iter=500))])
"""
TRAIN = '''\
import json
import math


class Share:
    """A rule: how late flights of an hour were."""

    def __init__(self, shares):
        self.shares = shares

    def predict_proba(self, frame):
        found = [self.shares.get(str(int(hour)), 0.5) for hour in frame["hour"]]
        return [[1 - share, share] for share in found]

    def save(self, directory):
        (directory / "shares.json").write_text(json.dumps(self.shares))


def train(data, parameters):
    rows = data.frame.assign(label=data.label)
    return Share({str(int(hour)): float(part.label.mean()) for hour, part in rows.groupby("hour")})


def load(directory):
    return Share(json.loads((directory / "shares.json").read_text()))
'''


def trained(root: Path, code: str, model: str = PYTHON) -> StagePlace:
    """The stages up to `train` have run."""
    checkout = write_checkout(root, code, model)
    (checkout / DIRECTORY / "words.py").write_text(WORDS)
    place = placed(checkout)
    make_training_set(place, MemoryOfflineStore(), silent)
    train(place, kept, silent)
    return place


@pytest.mark.parametrize("code", [BUILD, TRAIN], ids=["build", "train"])
def test_the_versions_own_code_answers(tmp_path: Path, code: str) -> None:
    """A custom transformer, TF-IDF and a helper module, or a rule of one's own: evaluated and packaged as it serves."""
    place = trained(tmp_path, code)
    loaders = {"python": partial(load_code_scorer, version=place.path)}
    manifest = ArtifactManifest.read(place.out / "artifact" / "artifact.json")
    assert manifest.kind == "python"
    assert manifest.files == (["estimator.skops"] if code == BUILD else ["shares.json"])
    assert evaluate(place, silent, loaders).metrics["auc"].value > 0.9
    digest = package(place, silent, loaders).artifact
    scorer = load_artifact(place.out / "artifact", digest, loaders)
    assert sum(scorer.score_row({"carrier": "ZZ", "hour": 23, "delays.delay_mean_1h": None})) == pytest.approx(1)


@pytest.mark.parametrize("code", [BUILD, TRAIN], ids=["build", "train"])
def test_training_twice_gives_the_same_artifact(tmp_path: Path, code: str) -> None:
    """To the last byte: no address in memory and no time of day is in it."""
    places = [trained(tmp_path / name, code) for name in ("one", "two")]
    assert len({artifact_digest(place.out / "artifact") for place in places}) == 1


def test_a_type_that_nobody_trusts_is_refused_with_the_lines_to_add(tmp_path: Path) -> None:
    """Ready to be pasted into model.yaml once they are reviewed."""
    with pytest.raises(InputError) as caught:
        trained(tmp_path, BUILD, MODEL + "serving: {kind: python}\n")
    assert "models/late/v1/model.yaml: serving.trusted_types" in str(caught.value)
    assert "serving:\n  trusted_types:\n    - words.Lower" in str(caught.value)


SAVES = '(directory / "shares.json").write_text(json.dumps(self.shares))'
LOADS = "return Share(json.loads("
PICKLES = "__import__('pickle').dump(self.shares, open(directory / 'x.json', 'wb'))"
ANSWER = "[1 - share, share]"
BROKEN = {
    "pickle": (TRAIN.replace(SAVES, PICKLES), r"model\.py: save/x\.json: holds pickled objects"),
    "nothing saved": (TRAIN.replace(SAVES, "pass"), "save: left no file"),
    "another state": (TRAIN.replace(LOADS, "return Share({} and json.loads("), r"save\(directory\) leaves out"),
    "NaN": (TRAIN.replace(ANSWER, "[math.nan, share]"), r"model\.py: predict_proba: answers what is no number"),
    "another shape": (TRAIN.replace(ANSWER, "[share]"), "predict_proba: has the wrong shape"),
    "load raises": (TRAIN.replace(LOADS, "return 1 / 0, (json.loads("), r"model\.py:\d+: load: ZeroDivisionError"),
    "no model": (TRAIN.replace(LOADS, "return (json.loads("), "load: returned dict, which has no predict_proba"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_model_that_cannot_answer_is_refused_before_it_serves(tmp_path: Path, name: str) -> None:
    """Each by what is wrong with it, and where."""
    code, message = BROKEN[name]
    with pytest.raises(InputError, match=message):
        trained(tmp_path, code)


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-20]), "not a file of skops|cannot be looked into"),
        (lambda file: file.write_bytes(pickle.dumps({"a": 1})), "holds pickled objects"),
        (lambda file: file.unlink(), "the artifact lacks estimator.skops"),
    ],
    ids=["truncated", "foreign", "missing"],
)
def test_a_damaged_state_is_refused(tmp_path: Path, tamper: object, message: str) -> None:
    """Also by whoever has no digest to hold it against; with one, any change is."""
    place = trained(tmp_path, BUILD)
    directory, loaders = place.out / "artifact", {"python": partial(load_code_scorer, version=place.path)}
    digest = artifact_digest(directory)
    tamper(directory / "estimator.skops")  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        load_artifact(directory, artifact_digest(directory), loaders)
    with pytest.raises(InputError, match=r"changed or damaged|lacks"):
        load_artifact(directory, digest, loaders)


def test_an_artifact_of_another_scikit_learn_says_which(tmp_path: Path) -> None:
    """It loads if its golden rows score as they did; if not, both versions are in the refusal."""
    place = trained(tmp_path, BUILD)
    directory, loaders = place.out / "artifact", {"python": partial(load_code_scorer, version=place.path)}
    _say_version(directory / "estimator.skops", "1.2.3")
    assert load_artifact(directory, artifact_digest(directory), loaders).manifest.kind == "python"
    golden = json.loads((directory / "golden.json").read_text())
    golden["rows"][0]["scores"] = [0.9, 0.1]
    (directory / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(InputError, match=r"score differently by .*: made with scikit-learn 1\.2\.3, read with"):
        load_artifact(directory, artifact_digest(directory), loaders)


def _say_version(file: Path, version: str) -> None:
    """Let the state say that another scikit-learn made it."""
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    said = re.compile(rb'("_sklearn_version": \{[^}]*"content": "\\")[0-9.]+')
    assert said.search(files["schema.json"])
    files["schema.json"] = said.sub(rb"\g<1>" + version.encode(), files["schema.json"])
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
