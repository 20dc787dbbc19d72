"""The application of a variant's process, over ASGI without a network."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from bighead_ci.documents.live import BODY_LIMIT
from bighead_ci.errors import RetryError
from fakes.serving import FakeFeatures, FakeScorer, counter
from fakes.serving_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_features_are_looked_up_as_of_the_process_clock(bench: Bench) -> None:
    """The set's key column gets the request field's value, and the instant is the clock's."""
    answer = bench.predict({"carrier": "UA", "distance": 500})
    assert answer.status_code == 200
    assert bench.features.asked == [({"carrier_delays/v1": {"airline": "UA"}}, 1_380_621_600_000_000)]
    assert bench.scorer.seen == [
        {"distance": 500.0, "carrier_delays.dep_delay_count_7d": 12, "carrier_delays.dep_delay_mean_7d": 4.5}
    ]
    body = answer.json()
    assert body["score"] == 0.75
    assert (body["features"], body["features_found"]) == (2, 2)
    assert body["as_of"] == "2013-10-01T10:00:00+00:00"


def test_an_unknown_key_gives_nulls_and_counts_them(bench: Bench) -> None:
    """A key that the store does not know is answered all the same; null inputs are counted by name."""
    body = bench.predict({"carrier": "ZZ", "distance": 500}).json()
    assert body["features_found"] == 1
    assert counter(bench.metrics, "bighead_null_inputs_total", input="carrier_delays.dep_delay_mean_7d") == 1
    assert counter(bench.metrics, "bighead_null_inputs_total", input="distance") == 0


def test_a_null_key_has_the_features_of_a_key_without_events(bench: Bench) -> None:
    """A count of 0 and a null mean, as a training row without the key has them."""
    assert bench.predict({"distance": 500}).json()["features_found"] == 1
    assert bench.scorer.seen == [
        {"distance": 500.0, "carrier_delays.dep_delay_count_7d": 0, "carrier_delays.dep_delay_mean_7d": None}
    ]


def test_a_multiclass_answer_names_the_likeliest_class(tmp_path: Path) -> None:
    """All scores by class, and the best of them."""
    bench = Bench(tmp_path, scorer=FakeScorer([0.2, 0.7, 0.1], ["cat", "dog", "emu"]))
    body = bench.predict({}).json()
    assert body["class"] == "dog"
    assert body["scores"] == {"cat": 0.2, "dog": 0.7, "emu": 0.1}


def test_a_wrong_request_names_every_field(bench: Bench) -> None:
    """400 with field, value and what is allowed; nothing is scored."""
    answer = bench.predict({"carrier": 1, "distance": "far"})
    assert answer.status_code == 400
    assert [p["field"] for p in answer.json()["problems"]] == ["carrier", "distance"]
    assert answer.json()["problems"][1] == {
        "field": "distance",
        "message": "wrong value",
        "value": "'far'",
        "allowed": "a finite number of 64 bits, or null",
    }
    assert bench.scorer.seen == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"distance": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_caller_error(bench: Bench, body: bytes) -> None:
    """Bytes that are not JSON are answered 400, never 500."""
    assert bench.predict(body).status_code == 400


def test_a_huge_body_is_refused(bench: Bench) -> None:
    """More than the limit is 413."""
    assert bench.predict(b" " * (BODY_LIMIT + 1)).status_code == 413


def test_unknown_fields_are_counted(bench: Bench) -> None:
    """A caller of another version is served, and the fields nobody knows are counted."""
    assert bench.predict({"seats": 1, "tail": 2}).status_code == 200
    assert counter(bench.metrics, "bighead_unknown_fields_total") == 2


def test_more_than_the_limit_at_once_is_429(tmp_path: Path) -> None:
    """Of ten requests at once with room for three, seven are told to come back, and it recovers."""
    bench = Bench(tmp_path, limit=3)
    answers = bench.send(*[("POST", "/predict", b"{}")] * 10)
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 7
    assert {a.headers.get("retry-after") for a in answers if a.status_code == 429} == {"1"}
    assert bench.predict({}).status_code == 200


def test_a_turn_of_the_event_loop_scores_one_row(bench: Bench) -> None:
    """New connections are taken one a turn: behind a whole queue scored in one, the last of many waited for seconds."""

    async def scored_by_turn() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(bench.app), base_url="http://variant") as client:
            calls = asyncio.gather(*(client.post("/predict", json={}) for _ in range(20)))
            found = [0]
            while not calls.done():
                await asyncio.sleep(0)
                found.append(len(bench.scorer.seen))
            return found

    found = asyncio.run(scored_by_turn())
    assert found[-1] == 20
    assert max(after - before for before, after in pairwise(found)) == 1


def test_a_store_that_does_not_answer_is_503(tmp_path: Path) -> None:
    """The caller may retry; the message is the store's."""
    bench = Bench(tmp_path, features=FakeFeatures(RetryError("the online store is full")))
    answer = bench.predict({"carrier": "UA"})
    assert (answer.status_code, answer.json()) == (503, {"error": "the online store is full"})


def test_a_score_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    """NaN never reaches a caller as a score."""
    bench = Bench(tmp_path, scorer=FakeScorer([float("nan"), float("nan")]))
    answer = bench.predict({"carrier": "UA"})
    assert answer.status_code == 500
    assert "null: distance" in answer.json()["error"]


def test_an_unexpected_failure_is_500_without_its_text(tmp_path: Path) -> None:
    """What went wrong inside is in the variant's log, not in the answer."""
    bench = Bench(tmp_path, features=FakeFeatures(KeyError("secret")))
    answer = bench.predict({"carrier": "UA"})
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_every_answer_says_who_gave_it(bench: Bench) -> None:
    """The headers are on errors as well."""
    for body in ({}, {"distance": "far"}):
        headers = bench.predict(body).headers
        assert (headers["x-bighead-variant"], headers["x-bighead-version"]) == ("tiny-v1-aaaaaaaa", "v1")


def test_metrics_carry_model_version_variant_and_artifact(bench: Bench) -> None:
    """Prometheus reads answers by status, with the labels that canary analysis needs."""
    bench.predict({"carrier": "UA"})
    bench.predict([])
    page = bench.send(("GET", "/metrics", b""))[0].text
    labels = bench.metrics.registry.get_sample_value(
        "bighead_requests_total",
        {"model": "tiny", "version": "v1", "variant": "tiny-v1-aaaaaaaa", "artifact": f"sha256:{'a' * 64}",
         "status": "400"},
    )  # fmt: skip
    assert labels == 1
    assert 'status="200"' in page


@pytest.mark.parametrize("path", ["/", "/docs.json", "/metrics", "/healthz", "/nowhere", "/predict", "/docs.json/"])
def test_no_answer_names_another_host(bench: Bench, path: str) -> None:
    """Neither a script nor a picture nor a link: what a browser makes of an answer reaches nobody."""
    answer = bench.send(("GET", path, b""))[0]
    assert "//" not in answer.text
    assert "location" not in answer.headers


def test_bentoml_describes_the_api(bench: Bench) -> None:
    """OpenAPI has the request's fields and the answer's, from the manifest alone."""
    spec = bench.send(("GET", "/docs.json", b""))[0].json()
    operation = spec["paths"]["/predict"]["post"]
    request = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(request["properties"]) == {"carrier", "distance"}
    assert "score" in answer["required"]


def test_every_path_is_described(bench: Bench) -> None:
    """Lists of rows and the Open Inference Protocol, with the answers that are no predictions."""
    about = bench.send(("GET", "/", b""))[0].json()["paths"]
    spec = bench.send(("GET", "/docs.json", b""))[0].json()
    assert set(spec["paths"]) >= {path for path in about if path.startswith(("/predict", "/v2"))}
    rows = spec["paths"]["/predict/batch"]["post"]
    schema = rows["requestBody"]["content"]["application/json"]["schema"]["properties"]["rows"]
    assert (schema["maxItems"], set(schema["items"]["properties"])) == (1000, {"carrier", "distance"})
    assert {"400", "429", "504"} <= set(rows["responses"])


def test_bentoml_answers_liveness(bench: Bench) -> None:
    """Probes go to BentoML."""
    assert bench.send(("GET", "/healthz", b""))[0].status_code == 200
