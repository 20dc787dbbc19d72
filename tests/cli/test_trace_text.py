"""What `bighead trace` says of a prediction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bighead_ci.cli.questions import trace_text
from bighead_ci.delivery.trace import Trace
from bighead_ci.documents.live import Prediction

AS_OF = datetime(2013, 10, 1, 12, tzinfo=UTC)
PREDICTION = Prediction(
    prediction_id="p1",
    at=datetime(2026, 1, 1, tzinfo=UTC),
    environment="prod",
    model="late",
    version="v1",
    variant="late-v1-00000000",
    artifact=f"sha256:{'a' * 64}",
    as_of=AS_OF,
    known_until={"delays/v1": AS_OF - timedelta(hours=1, minutes=7)},
    request={"carrier": "ÜA", "hour": 7, "tail": "N1"},
    inputs={"carrier": "ÜA", "hour": 7, "delays.mean_7d": None, "delays.count_7d": 3, "weather.temp": 0.5},
    scores=[0.25, 0.75],
    milliseconds=1.5,
)


def lines(prediction: Prediction) -> list[str]:
    found = Trace(
        prediction=prediction, span=None, record=None, missing="no record", run_url="", run_command=""
    )  # fmt: skip
    return trace_text(found).splitlines()


def test_a_trace_shows_what_the_model_saw() -> None:
    """Inputs of the request, features by set with the moment that the set knew and its age, and the answer."""
    shown = lines(PREDICTION)
    assert shown[0] == "prediction    p1 at 2026-01-01 00:00:00 UTC, scores [0.25, 0.75]"
    assert shown[2:5] == [
        'request       carrier "ÜA", hour 7, tail "N1"',
        "delays/v1     as of 2013-10-01 10:53:00 UTC (1:07:00 before): mean_7d null, count_7d 3",
        "weather       temp 0.5",
    ]


def test_a_prediction_without_features_shows_its_request() -> None:
    """Nothing else was looked at."""
    alone = PREDICTION.model_copy(update={"inputs": {"hour": 7}, "known_until": {}})
    assert [line for line in lines(alone) if "hour" in line] == ['request       carrier "ÜA", hour 7, tail "N1"']
