"""The Open Inference Protocol, spoken to by Triton's own client over HTTP, and by hand where a client would not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton  # type: ignore[import-untyped] # publishes no types
import uvicorn
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped] # as above

from fakes.serving import FakeScorer
from fakes.serving_bench import Bench

INFER = "/v2/models/tiny/infer"
ONE: dict[str, Any] = {"name": "distance", "datatype": "FP64", "shape": [1], "data": [1]}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@contextmanager
def client_of(bench: Bench) -> Iterator[Any]:
    """Triton's client of a process that listens."""
    server = uvicorn.Server(uvicorn.Config(bench.app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    try:
        yield client
    finally:
        client.close()
        server.should_exit = True
        thread.join()


def tensor(name: str, kind: str, *values: Any) -> Any:
    """One value a row, as JSON."""
    array = np.array(values, dtype=triton.triton_to_np_dtype(kind) if kind != "BYTES" else object)
    made = triton.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array, binary_data=False)
    return made


def test_tritons_client_asks_for_scores(bench: Bench) -> None:
    """A row an element; scores by output, and the id of each row in the log."""
    with client_of(bench) as client:
        inputs = [tensor("carrier", "BYTES", b"UA", b"ZZ"), tensor("distance", "FP64", 500.0, 700.5)]
        found = client.infer("tiny", inputs, request_id="mine")
    assert found.as_numpy("scores").tolist() == [[0.25, 0.75], [0.25, 0.75]]
    assert len(set(found.as_numpy("prediction_id").tolist())) == 2
    response = found.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("mine", "tiny", "v1")
    assert [row["distance"] for row in bench.scorer.seen] == [500.0, 700.5]


def test_tritons_client_reads_health_and_metadata(bench: Bench) -> None:
    """What the model takes and gives."""
    with client_of(bench) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tiny")
        assert client.is_model_ready("tiny", "v1")
        assert not client.is_model_ready("huge")
        about = client.get_model_metadata("tiny")
        assert client.get_server_metadata()["name"] == "bighead"
    assert about["versions"] == ["v1"]
    inputs = {one["name"]: (one["datatype"], one["shape"]) for one in about["inputs"]}
    assert inputs == {"carrier": ("BYTES", [-1]), "distance": ("FP64", [-1])}
    assert about["outputs"][0]["shape"] == [-1, 2]


def test_tritons_client_is_told_what_is_wrong(bench: Bench) -> None:
    """The message names the tensor, what it has and what is allowed."""
    with client_of(bench) as client, pytest.raises(InferenceServerException) as refused:
        client.infer("tiny", [tensor("distance", "BYTES", b"far")])
    assert "inputs[0] (distance).datatype" in str(refused.value)
    assert "FP64" in str(refused.value)


def test_the_outputs_that_are_asked_for_are_answered(bench: Bench) -> None:
    """And no other."""
    wanted = {"inputs": [_of("distance", [1], [5])], "outputs": [{"name": "prediction_id"}]}
    assert [one["name"] for one in bench.post(INFER, wanted).json()["outputs"]] == ["prediction_id"]


def test_null_is_a_missing_value(bench: Bench) -> None:
    """JSON has no NaN."""
    assert bench.post(INFER, {"inputs": [_of("distance", [2, 1], [[None], [5]])]}).status_code == 200
    assert [row["distance"] for row in bench.scorer.seen] == [None, 5.0]


def test_a_tensor_that_is_no_field_is_ignored_and_counted(bench: Bench) -> None:
    """Another version may need it, as with single rows."""
    sent = {"inputs": [_of("distance", [1], [5]), _of("colour", [1, 3], [[1, 2, 3]])]}
    assert bench.post(INFER, sent).status_code == 200
    assert b"bighead_unknown_fields_total" in bench.metrics.page()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "no list of tensors"),
        ({"inputs": []}, "no list of tensors"),
        ({"inputs": [3]}, "no tensor"),
        ({"inputs": [{"name": "distance", "datatype": "FP64", "shape": [1]}]}, "binary_data=False"),
        ({"inputs": [{"name": "distance", "datatype": "FP64", "data": [1]}]}, "no shape"),
        ({"inputs": [{"name": "distance", "datatype": "FP64", "shape": [-1], "data": [1]}]}, "no shape"),
        ({"inputs": [{"name": "distance", "datatype": "FP64", "shape": [2], "data": [1]}]}, "as its shape says"),
        ({"inputs": [{"name": "distance", "datatype": "FP64", "shape": [1, 2], "data": [1, 2]}]}, "[rows]"),
        ({"inputs": [{"name": "distance", "datatype": "FP64", "shape": [1], "data": ["far"]}]}, "rows[0].distance"),
        ({"inputs": [ONE, ONE]}, "more than once"),
        (
            {"inputs": [
                ONE,
                {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
            ]},
            "distance 1, carrier 2",
        ),
        (
            {"inputs": [ONE], "outputs": [{"name": "x"}]},
            "no such output",
        ),
        ({"inputs": [ONE], "outputs": 3}, "no such output"),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused(bench: Bench, body: Any, said: str) -> None:
    """400 with an `error`, as the protocol has it."""
    answer = bench.post(INFER, body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert bench.scorer.seen == []


def test_every_class_has_its_place(tmp_path: Path) -> None:
    """Metadata names the columns of the scores."""
    bench = Bench(tmp_path, scorer=FakeScorer([0.2, 0.7, 0.1], ["cat", "dog", "emu"]))
    about = bench.send(("GET", "/v2/models/tiny", b""))[0].json()
    assert about["outputs"][0]["parameters"] == {"names": "cat,dog,emu"}


def _of(name: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "FP64", "shape": shape, "data": data}
