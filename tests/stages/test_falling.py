"""Where no compiled kind answers as the estimator does, the version's own code does, by itself; or it is forbidden."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.delivery.stages.train import train
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.orchestrators.stage_process import StageProcesses
from bighead_ci.planning.stages import stage_called
from bighead_ci.ports.progress import Progress, silent
from bighead_ci.sandbox.choice import limits_of, sandbox_of
from bighead_ci.transforms.compilers import COMPILERS
from fakes.stage_checkout import CODE, DIRECTORY, MODEL, place_with_rows

SAMPLER = CODE.replace(
    "from sklearn.linear_model", "from sklearn.kernel_approximation import RBFSampler\nfrom sklearn.linear_model"
)
SAMPLER = SAMPLER.replace('("classifier",', '("kernel", RBFSampler(random_state=0)), ("classifier",')
"""A step that no compiler knows, of a type that skops trusts."""
WORDS = CODE.replace(
    "import OneHotEncoder", "import OneHotEncoder\nfrom sklearn.feature_extraction.text import TfidfVectorizer"
)
WORDS = WORDS.replace('("text", text, ["carrier"])', '("text", TfidfVectorizer(analyzer="char"), "carrier")')
"""A text column as a bag of words, whose state has a dtype in it."""
OWN_STEP = (
    CODE.replace('("classifier",', '("own", Own()), ("classifier",')
    .replace(
        "def build(",
        '''class Own(TransformerMixin, BaseEstimator):
    """A step of one's own."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


def build(''',
    )
    .replace("from sklearn.compose", "from sklearn.base import BaseEstimator, TransformerMixin\nfrom sklearn.compose")
)
TRAIN = '''\
import json


class Rule:
    """Late from an hour on."""

    def __init__(self, hour):
        self.hour = hour

    def predict_proba(self, frame):
        return [[0.2, 0.8] if hour >= self.hour else [0.9, 0.1] for hour in frame["hour"]]

    def save(self, directory):
        (directory / "rule.json").write_text(json.dumps(self.hour))


def train(data, parameters):
    return Rule(15)


def load(directory):
    return Rule(json.loads((directory / "rule.json").read_text()))
'''
EVERY_COMPILER = ["trees", "linear", "onnx", "onnx (float32)"]
ANY = compiled(COMPILERS, otherwise=kept)


def became(place: StagePlace) -> tuple[str, list[str]]:
    """The kind of the artifact, and the kinds that were refused before."""
    conversion = MeasuredConversion.read(place.out / "conversion.json").conversion
    assert ArtifactManifest.read(place.out / "artifact" / "artifact.json").kind == conversion.kind
    return conversion.kind, [one.kind for one in conversion.refused]


def test_an_estimator_that_nothing_compiles_is_answered_for_by_its_own_code(tmp_path: Path) -> None:
    """Whatever was tried before is in the evidence, each with its reason."""
    place = place_with_rows(tmp_path, SAMPLER)
    train(place, ANY, silent)
    assert became(place) == ("python", EVERY_COMPILER)
    measured = MeasuredConversion.read(place.out / "conversion.json")
    assert all("RBFSampler" in one.reason for one in measured.conversion.refused), measured
    assert measured.milliseconds > 0


def test_a_bag_of_words_needs_no_word_about_types(tmp_path: Path) -> None:
    """scikit-learn's own text vectorizers are kept as data without anybody's review."""
    place = place_with_rows(tmp_path, WORDS)
    train(place, ANY, silent)
    assert became(place) == ("python", EVERY_COMPILER)


@pytest.mark.parametrize(
    "estimator",
    [
        "ensemble import RandomForestClassifier as Last",
        "neighbors import KNeighborsClassifier as Last",
        "neural_network import MLPClassifier as Last",
        "calibration import CalibratedClassifierCV as Last",
    ],
)
def test_what_scikit_learns_estimators_hold_inside_is_trusted(tmp_path: Path, estimator: str) -> None:
    """Trees, neighbours' indexes, optimizers and calibrators are no types that a person has to review."""
    code = SAMPLER.replace("from sklearn.pipeline", f"from sklearn.{estimator}\nfrom sklearn.pipeline")
    place = place_with_rows(tmp_path, code.replace('LogisticRegression(C=parameters["strength"])', "Last()"))
    train(place, ANY, silent)
    assert became(place)[0] == "python"


def test_a_model_of_ones_own_training_falls_too(tmp_path: Path) -> None:
    """It says what would have made it compile."""
    place = place_with_rows(tmp_path, TRAIN)
    conversion = train(place, ANY, silent)
    assert became(place) == ("python", ["onnx"])
    assert "Rule has no to_onnx(inputs)" in conversion.refused[0].reason


HOURS = """\
    def to_onnx(self, inputs):
        import onnx.parser

        graph = "g (string[N, 1] input_0, int64[N, 1] input_1, double[N, 1] input_2) => (double[N, 2] probabilities)"
        nodes = "{ x = Cast <to = 11> (input_1) probabilities = Concat <axis = 1> (x, x) }"
        text = f'<ir_version: 10, opset_import: ["": 21]> {graph} {nodes}'
        return onnx.parser.parse_model(text).SerializeToString()

    def save("""


@pytest.mark.parametrize(
    ("to_onnx", "reason"),
    [
        (HOURS, "rows differently by more than"),
        ("    def to_onnx(self, inputs):\n        return inputs[9]\n\n    def save(", "IndexError"),
    ],
    ids=["another score", "raises"],
)
def test_a_graph_of_ones_own_that_does_not_score_so_is_never_served(tmp_path: Path, to_onnx: str, reason: str) -> None:
    """Nobody's graph is believed, the authors' neither: the code that was trained answers."""
    place = place_with_rows(tmp_path, TRAIN.replace("    def save(", to_onnx))
    conversion = train(place, ANY, silent)
    assert became(place) == ("python", ["onnx"])
    assert reason in conversion.refused[0].reason


@pytest.mark.parametrize("code", [CODE, SAMPLER], ids=["compiles", "falls"])
def test_what_compiles_does_not_fall_and_trains_again_to_the_same_bytes(tmp_path: Path, code: str) -> None:
    """Which kind it becomes is a function of what it reads."""
    places = [place_with_rows(tmp_path / name, code) for name in ("one", "two")]
    for place in places:
        train(place, ANY, silent)
    one, two = ({file.name: file.read_bytes() for file in (place.out / "artifact").iterdir()} for place in places)
    assert one == two
    assert became(places[0])[0] == ("linear" if code == CODE else "python")


@pytest.mark.parametrize(
    ("code", "named"), [(SAMPLER, EVERY_COMPILER), (TRAIN, ["Rule has no to_onnx"])], ids=["build", "train"]
)
def test_the_fall_can_be_forbidden(tmp_path: Path, code: str, named: list[str]) -> None:
    """Then training fails as it would without it, and says what to write."""
    place = place_with_rows(tmp_path, code)
    with pytest.raises(InputError, match=r"models/late/v1/model\.py:\d+: (build|train): ") as caught:
        train(place, compiled(COMPILERS), silent)
    assert "write no `serving: {kind: compiled}`" in str(caught.value)
    assert all(name in str(caught.value) for name in named)


def test_where_its_own_code_cannot_answer_either_every_kind_is_named(tmp_path: Path) -> None:
    """With the lines that model.yaml needs, ready to be pasted."""
    place = place_with_rows(tmp_path, OWN_STEP)
    with pytest.raises(InputError) as caught:
        train(place, ANY, silent)
    said = str(caught.value)
    assert "models/late/v1/model.py:" in said
    assert all(f"\n  {name}: " in said for name in [*EVERY_COMPILER, "python"]), said
    assert "\n  python: see models/late/v1/model.yaml" in said
    assert "write\nserving:\n  trusted_types:\n    - model.Own" in said


def test_reviewed_types_are_trusted_where_no_kind_is_asked_for(tmp_path: Path) -> None:
    """The same lines make it fall."""
    place = place_with_rows(tmp_path, OWN_STEP, MODEL + "serving: {trusted_types: [model.Own]}\n")
    train(place, ANY, silent)
    assert became(place)[0] == "python"


@pytest.mark.parametrize(
    ("code", "kind", "lock"),
    [(CODE, "linear", "serving.lock"), (SAMPLER, "python", "training.lock")],
    ids=["linear", "python"],
)
def test_it_is_judged_where_it_will_answer(tmp_path: Path, code: str, kind: str, lock: str) -> None:
    """What only the artifact tells: in which environment, and whether the version's code runs there."""
    place, asked = place_with_rows(tmp_path, code), list[str]()

    def ensure(name: str, _text: bytes, _progress: Progress) -> Path:
        asked.append(name)
        return Path(sys.executable)

    processes = StageProcesses(
        engine=Path(sys.executable),
        ensure=ensure,
        sandbox=sandbox_of(os.environ),
        limits=limits_of({}),
        quiet={},
        output=lambda _: None,
    )
    for name in ("train", "evaluate", "package"):
        processes.run(stage_called(name), place, silent)
    assert became(place)[0] == kind
    assert asked == [f"{DIRECTORY}/{name}" for name in ("training.lock", lock, lock)]
    assert (place.out / "evaluation.json").is_file()
    assert (place.out / "package.json").is_file()
