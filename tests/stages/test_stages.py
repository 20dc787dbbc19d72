"""Stages take files and leave files, and say plainly what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bighead_ci.delivery.stages.compiling import compiled
from bighead_ci.delivery.stages.evaluate import evaluate
from bighead_ci.delivery.stages.package import package
from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.profile import profile_columns
from bighead_ci.delivery.stages.quality import check_quality
from bighead_ci.delivery.stages.record import make_record
from bighead_ci.delivery.stages.results import DataRead, Profile
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.documents.artifact import ArtifactManifest, GoldenRows
from bighead_ci.documents.chart import Matrix
from bighead_ci.documents.record import (
    EvaluationResult,
    QualityResult,
    RunResult,
    TrainingSetSummary,
)
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.reporting.figures import figure
from bighead_ci.scorers.artifact import artifact_digest, open_artifact
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.compiler import Compiled, Compiler
from bighead_ci.transforms.compilers import COMPILERS
from fakes.expectations import MemoryExpectationRunner
from fakes.offline_store import MemoryOfflineStore
from fakes.stage_checkout import (
    CODE,
    DATA,
    DATA_MD5,
    DIRECTORY,
    GOLDEN_ROW,
    INPUTS,
    ROWS,
    evaluated,
    place_with_rows,
    placed,
    write_checkout,
)


def test_the_stages_lead_from_rows_to_a_package(tmp_path: Path) -> None:
    """Each leaves its documents, and the artifact is the one the package names."""
    place = place_with_rows(tmp_path)
    assert TrainingSetSummary.read(place.out / "training_set.json").columns == INPUTS
    check_quality(place, MemoryExpectationRunner(), silent)
    conversion = train(place, compiled(COMPILERS), silent)
    result = evaluate(place, silent)
    made = package(place, silent)
    record = make_record(place, silent)
    assert conversion.beyond_tolerance == 0
    assert conversion.rows == len(evaluated()) + 1 + conversion.adversarial_rows
    assert conversion.adversarial_rows > 100
    assert EvaluationResult.read(place.out / "evaluation.json") == result
    assert sum(result.importance.values()) == pytest.approx(1.0)
    assert result.metrics["auc"].value > 0.9
    assert result.conversion_error == conversion.largest <= 1e-5
    assert {one.value for one in result.slices} == {"AA", "DL", "UA"}
    assert sum(one.rows for one in result.slices) == result.rows == len(evaluated())
    matrix = next(one for one in result.charts if isinstance(one, Matrix))
    assert np.sum(matrix.counts) == result.score_histogram.total == len(evaluated())
    assert made.artifact == artifact_digest(place.out / "artifact")
    assert made.artifact_bytes == sum(file.stat().st_size for file in (place.out / "artifact").iterdir())
    assert RunResult.read(place.out / "record.json") == record
    assert (record.artifact, record.evaluation, record.features[0].set) == (made.artifact, result, "delays/v1")
    assert record.data == {"features/sources/flights.parquet": DATA_MD5}
    assert pq.read_table(place.out / "training_sample.parquet").column_names == INPUTS
    predictions = pq.read_table(place.out / "predictions.parquet")
    assert predictions.column_names == ["__event_id", "__timestamp", "label", "score"]
    assert predictions["__event_id"].to_pylist() == evaluated()


def test_the_manifest_says_all_that_serving_needs(tmp_path: Path) -> None:
    """Inputs in order, the request, and where each feature set's key is found."""
    place = place_with_rows(tmp_path)
    train(place, compiled(COMPILERS), silent)
    manifest = ArtifactManifest.read(place.out / "artifact" / "artifact.json")
    assert [item.name for item in manifest.inputs] == INPUTS
    assert [item.type for item in manifest.inputs] == ["string", "int64", "float64"]
    assert manifest.feature_keys == {"delays/v1": {"carrier": "carrier"}}
    assert [(one.set, one.columns) for one in manifest.features] == [("delays/v1", ["delay_mean_1h"])]
    assert manifest.target.outputs == ["0", "1"]


def test_golden_rows_are_the_authored_ones_and_some_of_the_evaluation(tmp_path: Path) -> None:
    """The authored row comes first; scores are the framework's."""
    place = place_with_rows(tmp_path)
    train(place, compiled(COMPILERS), silent)
    golden = GoldenRows.read(place.out / "artifact" / "golden.json")
    assert golden.rows[0].inputs == {"carrier": "AA", "hour": 3.0, "delays.delay_mean_1h": 4.5}
    assert len(golden.rows) > 5
    assert all(sum(row.scores) == pytest.approx(1) for row in golden.rows)


def test_training_twice_gives_the_same_artifact(tmp_path: Path) -> None:
    """To the last byte, in another checkout."""
    digests = []
    for name in ("one", "two"):
        place = place_with_rows(tmp_path / name)
        train(place, compiled(COMPILERS), silent)
        digests.append(artifact_digest(place.out / "artifact"))
    assert digests[0] == digests[1]


def test_evaluation_scores_with_the_artifact(tmp_path: Path) -> None:
    """The estimator is gone by then: the packaged graph gives the predictions."""
    place = place_with_rows(tmp_path)
    train(place, compiled(COMPILERS), silent)
    evaluate(place, silent)
    scorer = open_artifact(place.out / "artifact")
    rows = pq.read_table(place.out / "training_set.parquet").to_pylist()
    row = next(row for row in rows if row["__part"] == "evaluate")
    first = pq.read_table(place.out / "predictions.parquet")["score"][0].as_py()
    assert scorer.score_row({name: row[name] for name in INPUTS})[1] == pytest.approx(first, abs=1e-6)


def test_quality_asks_feature_sets_about_the_columns_taken(tmp_path: Path) -> None:
    """A set's expectation on a feature that the model does not take is left out; a failure does not fail the stage."""
    place = place_with_rows(tmp_path, hour=pa.array([None] + [3] * 599))
    runner = MemoryExpectationRunner()
    quality = check_quality(place, runner, silent)
    assert runner.asked == {"models/late/v1": ["hour"], "features/delays/v1": ["delay_mean_1h"]}
    assert (quality.passed, quality.failed) == (1, 1)
    assert QualityResult.read(place.out / "quality.json") == quality


def test_the_profile_describes_numbers_texts_and_nulls(tmp_path: Path) -> None:
    """One entry a column, without bookkeeping columns."""
    place = place_with_rows(tmp_path, hour=pa.array([None] + [3] * 599))
    check_quality(place, MemoryExpectationRunner(), silent)
    profile = {one.column: one for one in Profile.read(place.out / "profile.json").columns}
    assert set(profile) == {"__label", *INPUTS}
    assert (profile["hour"].nulls, profile["hour"].mean, profile["hour"].quantiles) == (1, 3.0, [3.0] * 5)
    assert sum(profile["carrier"].top.values()) == 600
    assert profile["carrier"].mean is None


LAZY = """\
class Lazy:
    def fit(self, X, y):
        raise ValueError("too lazy")
    def predict_proba(self, X): ...
def build(parameters):
    return Lazy()
"""
SHY = """\
class Shy:
    def fit(self, X, y): ...
    def predict_proba(self, X): return [[0.5, 0.5]] * len(X)
    def to_onnx(self, inputs):
        raise ValueError("not me")
def build(parameters):
    return Shy()
"""
BROKEN = {
    "import": ("import nothing_like_this\n", "models/late/v1/model.py:1: import: ModuleNotFoundError"),
    "syntax": ("x = 1\ndef build(:\n", "models/late/v1/model.py:2: import: SyntaxError"),
    "exit": ("import sys\nsys.exit(3)\n", "models/late/v1/model.py:2: import: SystemExit: 3"),
    "no build": ("x = 1\n", "there is no function build"),
    "build": ("def build(parameters):\n    return parameters['absent']\n", "model.py:2: build: KeyError: 'absent'"),
    "no estimator": ("def build(parameters):\n    return 7\n", "returned int, which has no fit and no predict_proba"),
    "fit": (
        LAZY,
        "models/late/v1/model.py:3: fit: ValueError: too lazy",
    ),
    "to_onnx": (SHY, "models/late/v1/model.py:5: to_onnx: ValueError: not me"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_model_py_raises_is_said_with_its_line(tmp_path: Path, name: str) -> None:
    """One line that names file, line and exception."""
    code, message = BROKEN[name]
    place = place_with_rows(tmp_path, code)
    with pytest.raises(InputError) as caught:
        train(place, compiled(COMPILERS), silent)
    assert message in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_an_unfaithful_graph_is_refused(tmp_path: Path) -> None:
    """A conversion that scores otherwise does not become an artifact."""
    place = place_with_rows(tmp_path)
    other = CODE.replace('C=parameters["strength"]', "C=1e-6")

    def wrong(_: Any, manifest: ArtifactManifest, _training: Columns) -> Compiled:
        elsewhere = place_with_rows(tmp_path / "other", other)
        train(elsewhere, compiled([one for one in COMPILERS if one.kind == "onnx"]), silent)
        assert [item.name for item in manifest.inputs] == INPUTS
        return Compiled("onnx", {"model.onnx": (elsewhere.out / "artifact" / "model.onnx").read_bytes()})

    with pytest.raises(InputError, match=r"onnx \(wrong\): scores .* rows differently by more than 1e-05 \(by "):
        train(place, compiled([Compiler("onnx", "wrong", wrong)]), silent)
    assert not (place.out / "artifact").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pa.array([1] * 600), r"have 1 classes \(1\); binary needs exactly 2"),
        (pa.array([0, 1, 2] * 200), r"have 3 classes \(0, 1, 2\)"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(tmp_path: Path, labels: pa.Array, message: str) -> None:
    """The classes found are named."""
    with pytest.raises(InputError, match=message):
        train(place_with_rows(tmp_path, late=labels), compiled(COMPILERS), silent)


def test_an_evaluation_label_that_training_never_saw_is_refused(tmp_path: Path) -> None:
    """The strange label is named."""
    labels = [2 if i in evaluated() else i % 2 for i in range(ROWS)]
    place = place_with_rows(tmp_path)
    train(place, compiled(COMPILERS), silent)
    table = pq.read_table(place.out / "training_set.parquet")
    at = table.schema.get_field_index("__label")
    pq.write_table(table.set_column(at, "__label", pa.array(labels)), place.out / "training_set.parquet")
    with pytest.raises(InputError, match="evaluation rows have labels that no training row has: 2"):
        evaluate(place, silent)


def test_a_golden_row_of_another_input_is_refused(tmp_path: Path) -> None:
    """The name and what is allowed are said."""
    root = write_checkout(tmp_path)
    (root / DIRECTORY / "golden_rows.json").write_text(json.dumps([{"houre": 3}]))
    with pytest.raises(InputError, match=r"golden_rows\.json: houre: is no input"):
        placed(root)


def test_a_golden_row_that_the_estimator_does_not_take_is_named(tmp_path: Path) -> None:
    """It is the row's fault, not that of the line that scores."""
    root = write_checkout(tmp_path, code=CODE.replace('OneHotEncoder(handle_unknown="ignore")', "OneHotEncoder()"))
    (root / DIRECTORY / "golden_rows.json").write_text(json.dumps([GOLDEN_ROW, GOLDEN_ROW | {"carrier": "a"}]))
    place = placed(root)
    make_training_set(place, MemoryOfflineStore(), silent)
    with pytest.raises(InputError, match=r"golden_rows\.json: 1: the estimator does not take this row: .*'a'"):
        train(place, compiled(COMPILERS), silent)


def test_a_directory_that_is_no_model_version_is_refused(tmp_path: Path) -> None:
    """The message says what is expected."""
    with pytest.raises(InputError, match=r"expected models/<name>/v<N>"):
        StagePlace(write_checkout(tmp_path), "models/late")


def test_a_profile_of_the_largest_numbers_can_be_read_back(tmp_path: Path) -> None:
    """Neither squares nor differences of them leave an infinity behind."""
    path = tmp_path / "profile.json"
    Profile(columns=profile_columns(pa.table({"x": [1e308, -1e308, 1e308, 1e308]}))).write(path)
    (described,) = Profile.read(path).columns
    assert described.mean == pytest.approx(5e307)
    assert described.std == pytest.approx(8.66e307, rel=1e-3)
    assert described.quantiles[2:] == [1e308] * 3


def test_a_profile_of_integers_beyond_2_53_has_their_exact_ends(tmp_path: Path) -> None:
    """The least and greatest are the numbers themselves, also once they were written and read; the mean is near."""
    path, large = tmp_path / "profile.json", 2**53 + 1
    Profile(columns=profile_columns(pa.table({"id": pa.array([large, None, 2**63 - 1, 3])}))).write(path)
    (described,) = Profile.read(path).columns
    assert (described.minimum, described.maximum) == (3.0, 2**63 - 1)
    assert described.mean == pytest.approx((large + 2**63 + 2) / 3)
    assert figure(described.maximum) == "9,223,372,036,854,775,807"


READS_WORDS = CODE.replace(
    "def build(parameters):",
    'WORDS = Path(__file__).with_name("vocabulary.txt").read_text().split()\n\n\ndef build(parameters):',
).replace("from sklearn.compose", "from pathlib import Path\n\nfrom sklearn.compose", 1)


def test_model_py_finds_beside_itself_what_its_key_holds(tmp_path: Path) -> None:
    """Files of the version that are not the engine's own; what only people read is not there."""
    root = write_checkout(tmp_path / "one", READS_WORDS)
    (root / DIRECTORY / "vocabulary.txt").write_text("some words")
    make_training_set(placed(root), MemoryOfflineStore(), silent)
    train(placed(root), compiled(COMPILERS), silent)
    for hidden in ("README.md", "model.yaml", "training.lock"):
        other = write_checkout(tmp_path / hidden, READS_WORDS.replace("vocabulary.txt", hidden))
        (other / DIRECTORY / "README.md").write_text("a card")
        make_training_set(placed(other), MemoryOfflineStore(), silent)
        with pytest.raises(InputError, match=f"FileNotFoundError.*{hidden}"):
            train(placed(other), compiled(COMPILERS), silent)


def test_data_that_are_not_what_dvc_lock_names_are_refused(tmp_path: Path) -> None:
    """Before anything is computed: the file, both digests, and what to do."""
    place = placed(write_checkout(tmp_path))
    (tmp_path / "features/sources/flights.parquet").write_bytes(b"imported anew")
    with pytest.raises(
        InputError, match=r"dvc\.lock: features/sources/flights\.parquet: the data is not what"
    ) as caught:
        make_training_set(place, MemoryOfflineStore(), silent)
    assert DATA_MD5 in str(caught.value)
    assert "dvc checkout" in str(caught.value)
    (tmp_path / "features/sources/flights.parquet").unlink()
    with pytest.raises(InputError, match=r"the data is not there: `dvc pull`"):
        make_training_set(place, MemoryOfflineStore(), silent)


def test_a_record_is_refused_whose_data_are_not_those_of_its_key(tmp_path: Path) -> None:
    """DVC may bring back a training set that it made of other data: the record compares what was read with the key."""
    place = place_with_rows(tmp_path)
    check_quality(place, MemoryExpectationRunner(), silent)
    train(place, compiled(COMPILERS), silent)
    evaluate(place, silent)
    package(place, silent)
    DataRead(digests={"features/sources/flights.parquet": "c" * 32}).write(place.out / "data.json")
    with pytest.raises(InputError, match="planned on other data than it read"):
        make_record(place, silent)


def test_data_of_an_earlier_day_are_read_where_the_run_put_them(tmp_path: Path) -> None:
    """A run.yaml that names a digest reads that, whatever lies beside the source; without it, it says how to get it."""
    root = write_checkout(tmp_path)
    (root / DIRECTORY / "run.yaml").write_text(f"as_of: 2013-10-01T00:00:00Z\ndata: {{flights: {DATA_MD5}}}\n")
    (root / "features/sources/flights.parquet").write_bytes(b"a newer day")
    place = placed(root)
    with pytest.raises(InputError, match=r"models/late/v1/run\.yaml: .*is in no cache here"):
        make_training_set(place, MemoryOfflineStore(), silent)
    earlier = root / f".bighead/data/{DATA_MD5}/flights.parquet"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(DATA)
    make_training_set(place, MemoryOfflineStore(), silent)
    assert DataRead.read(place.out / "data.json").digests == {"features/sources/flights.parquet": DATA_MD5}


def test_the_same_files_give_the_same_record_to_the_last_byte(tmp_path: Path) -> None:
    """Whoever makes it, and wherever: it knows no time, no environment and no machine."""
    found = []
    for name in ("one", "two"):
        place = place_with_rows(tmp_path / name)
        check_quality(place, MemoryExpectationRunner(), silent)
        train(place, compiled(COMPILERS), silent)
        evaluate(place, silent)
        package(place, silent)
        make_record(place, silent)
        found.append((place.out / "record.json").read_bytes())
    assert found[0] == found[1]


def test_a_stage_that_nobody_told_what_to_do_says_how_to_begin(tmp_path: Path) -> None:
    """A person may call one by itself."""
    with pytest.raises(InputError, match=r"training-set\.json is missing: `bighead train models/late/v1`"):
        make_training_set(StagePlace(write_checkout(tmp_path), DIRECTORY), MemoryOfflineStore(), silent)
