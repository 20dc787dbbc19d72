"""An artifact is verified before it serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bighead_ci.documents.artifact import FORMAT, ArtifactInput, ArtifactManifest, GoldenRow, GoldenRows
from bighead_ci.documents.target import Target
from bighead_ci.errors import InputError
from bighead_ci.scorers.artifact import artifact_digest, golden_difference, load_artifact, open_artifact
from bighead_ci.scorers.onnx_file import foreign_domains
from bighead_ci.scorers.onnx_graph import OnnxScorer

INPUTS = [ArtifactInput(name="x", type="float64"), ArtifactInput(name="carrier", type="string")]


def graph(input_name: str = "input_0", domain: str = "") -> onnx.ModelProto:
    """The scores are (1 - sigmoid(x), sigmoid(x)); the text is not looked at."""
    nodes = [
        helper.make_node("Sigmoid", [input_name], ["positive"], domain=domain),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
    ]
    made = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("input_1", TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    domains = {"": 21} | ({domain: 1} if domain else {})
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid(*pair) for pair in domains.items()], ir_version=10
    )


def write(directory: Path, model: onnx.ModelProto | None = None, score: float = 0.5) -> Path:
    directory.mkdir(exist_ok=True)
    ArtifactManifest(
        model="tiny", version="v1", target=Target(task="binary", outputs=["0", "1"]), inputs=INPUTS, request={},
        features=[], feature_keys={},
    ).write(directory / "artifact.json")  # fmt: skip
    (directory / "model.onnx").write_bytes((model or graph()).SerializeToString())
    golden = GoldenRow(inputs={"x": 0.0, "carrier": None}, scores=[1 - score, score])
    GoldenRows(tolerance=1e-6, rows=[golden]).write(directory / "golden.json")
    return directory


def test_a_whole_artifact_loads_and_scores(tmp_path: Path) -> None:
    """Batch and row give the same scores; a missing number is NaN."""
    artifact = write(tmp_path / "artifact")
    scorer = load_artifact(artifact, artifact_digest(artifact))
    x = np.array([-1.0, 0.0, 2.0])
    scores = scorer.score({"x": x, "carrier": np.array(["AA", None, ""], dtype=object)})
    assert scores[:, 1] == pytest.approx(1 / (1 + np.exp(-x)), abs=1e-6)
    assert scorer.score_row({"x": 2, "carrier": "AA"}) == scores[2].tolist()
    assert np.isnan(scorer.score_row({})).all()
    assert scorer.score({"x": np.empty(0), "carrier": np.empty(0, dtype=object)}).shape == (0, 2)


def test_the_digest_follows_names_and_contents_only(tmp_path: Path) -> None:
    """Equal files in another directory have the same digest; a changed, renamed or extra file another."""
    first, second = write(tmp_path / "first"), write(tmp_path / "second")
    digest = artifact_digest(first)
    assert artifact_digest(second) == digest
    (second / "extra").write_text("")
    assert artifact_digest(second) != digest
    (second / "extra").unlink()
    (second / "golden.json").rename(second / "gold.json")
    assert artifact_digest(second) != digest


@pytest.mark.parametrize("name", ["artifact.json", "model.onnx", "golden.json"])
def test_a_cut_off_file_is_refused(tmp_path: Path, name: str) -> None:
    """The digest says so."""
    artifact = write(tmp_path / "artifact")
    digest = artifact_digest(artifact)
    path = artifact / name
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match="changed or damaged"):
        load_artifact(artifact, digest)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """Those that every artifact has, then those of its kind, which its manifest names."""
    artifact = write(tmp_path / "artifact")
    digest = artifact_digest(artifact)
    (artifact / "model.onnx").unlink()
    (artifact / "golden.json").unlink()
    with pytest.raises(InputError, match=r"lacks golden\.json"):
        load_artifact(artifact, digest)
    whole = write(tmp_path / "whole")
    (whole / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"lacks model\.onnx"):
        open_artifact(whole)
    with pytest.raises(InputError, match="not a readable artifact"):
        artifact_digest(tmp_path / "nowhere")


@pytest.mark.parametrize(("made", "age"), [(2, "an older engine"), (FORMAT + 1, "a newer engine")])
def test_an_artifact_of_another_engine_is_to_be_trained_again(tmp_path: Path, made: int, age: str) -> None:
    """A manifest of another format is not guessed at, and the command that makes a new one is named."""
    artifact = write(tmp_path / "artifact")
    manifest = json.loads((artifact / "artifact.json").read_text())
    (artifact / "artifact.json").write_text(json.dumps(manifest | {"format": made}))
    with pytest.raises(InputError, match=f"format {made}, which {age} made.*bighead retrain tiny/v1 --as-of now"):
        open_artifact(artifact)


def test_inputs_that_are_not_the_manifests_are_refused(tmp_path: Path) -> None:
    """What the graph lacks and what it has too much."""
    with pytest.raises(InputError, match=r"the graph has no input_0 \(x\); the manifest has no input y"):
        open_artifact(write(tmp_path / "artifact", graph("y")))


def test_golden_rows_that_score_differently_are_refused(tmp_path: Path) -> None:
    """The difference and the tolerance are said."""
    with pytest.raises(InputError, match=r"score differently by 0\.1, tolerance 1e-06"):
        open_artifact(write(tmp_path / "artifact", score=0.6))


def test_operators_outside_the_standard_are_refused(tmp_path: Path) -> None:
    """Even those that the runtime would run."""
    with pytest.raises(InputError, match=r"operators of com\.microsoft"):
        open_artifact(write(tmp_path / "artifact", graph(domain="com.microsoft")))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """Neither a protobuf nor a graph."""
    artifact = write(tmp_path / "artifact")
    for data in (b"not a model", b"\x08\x0a"):
        (artifact / "model.onnx").write_bytes(data)
        with pytest.raises(InputError, match=r"not an ONNX model|refuses it"):
            open_artifact(artifact)


def test_functions_of_the_model_itself_are_seen() -> None:
    """Model-local functions count as operators of its own."""
    model = graph()
    model.functions.append(helper.make_function("own", "F", ["a"], ["a"], [], [helper.make_opsetid("", 21)]))
    assert foreign_domains(model.SerializeToString()) == ["functions of the model itself"]


def test_values_of_another_type_are_refused(tmp_path: Path) -> None:
    """Rows and batches name the input."""
    scorer = open_artifact(write(tmp_path / "artifact"))
    with pytest.raises(InputError, match="input x: 'fast' is not a number"):
        scorer.score_row({"x": "fast"})
    with pytest.raises(InputError, match="input carrier: 7 is not text"):
        scorer.score_row({"carrier": 7})
    with pytest.raises(InputError, match="input carrier is missing"):
        scorer.score({"x": np.zeros(1)})


def test_threads_do_not_see_each_others_rows(tmp_path: Path) -> None:
    """Many rows at once from several threads each get their own score."""
    scorer = open_artifact(write(tmp_path / "artifact"))
    wrong: list[float] = []

    def ask(x: float) -> None:
        expected = scorer.score({"x": np.array([x]), "carrier": np.array([""], dtype=object)})[0].tolist()
        wrong.extend(x for _ in range(300) if scorer.score_row({"x": x}) != expected)

    threads = [Thread(target=ask, args=(float(x),)) for x in range(-2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_golden_row_that_scores_no_number_is_infinitely_far() -> None:
    """NaN compares as equal to nothing and must not pass as a small difference."""

    class Broken(OnnxScorer):
        def __init__(self) -> None: ...

        def score_row(self, inputs: Mapping[str, Any]) -> list[float]:
            return [float("nan") for _ in range(2 + len(inputs))]

    golden = GoldenRows(tolerance=1e-5, rows=[GoldenRow(inputs={}, scores=[0.4, 0.6])])
    assert golden_difference(Broken(), golden) == float("inf")
