"""Questions that git, the records and the prediction log answer: history, trace, explain."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.explain import explain
from bighead_ci.delivery.history import history, past_releases
from bighead_ci.delivery.live_drift import live_drift
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.trace import trace
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.forge import BOT
from bighead_ci.documents.live import Prediction
from bighead_ci.documents.release import process_name
from bighead_ci.documents.verdict import RuleInput
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from fakes.context import START, FakeContext, model_version
from fakes.shipping import merge_version, ship, traffic

PROD = "environments/prod/late.yaml"


def log_prediction(context: FakeContext, environment: str = "prod") -> Prediction:
    """A prediction of what serves there now."""
    release = context.release(environment)
    assert release is not None
    variant = release.variants[-1]
    prediction = Prediction(
        prediction_id="p1",
        at=context.clock.now(),
        environment=environment,
        model="late",
        version=variant.version,
        variant=process_name("late", variant),
        artifact=variant.artifact,
        as_of=context.data_clock.now(),
        request={"distance": 100},
        inputs={"distance": 100},
        scores=[0.3, 0.7],
        milliseconds=1.0,
    )
    context.predictions.add(prediction)
    return prediction


def test_each_release_has_a_span_until_the_next(shipped: FakeContext) -> None:
    """Newest first; the newest lasts until now, and no span overlaps another."""
    spans = history(shipped, "late", "prod")
    assert [span.split for span in spans] == [
        "v3 100 %",
        "v2 0 %, v3 100 %",
        "v2 50 %, v3 50 %",
        "v2 90 %, v3 10 %",
        "v2 100 %",
    ]
    assert spans[0].until is None
    assert [span.until for span in spans[1:]] == [span.since for span in spans[:-1]]
    assert {span.author for span in spans} == {"grace", BOT}


def test_a_moment_is_in_exactly_one_span_of_an_environment(shipped: FakeContext) -> None:
    """At its beginning the new release counts, just before it the old one."""
    spans = history(shipped, "late", "prod")
    for newer, older in pairwise(spans):
        assert history(shipped, "late", "prod", at=newer.since) == [newer]
        assert history(shipped, "late", "prod", at=newer.since - timedelta(microseconds=1)) == [older]


def test_before_the_first_release_nothing_served(shipped: FakeContext) -> None:
    """No span reaches back that far."""
    assert history(shipped, at=START) == []


def test_history_without_a_question_is_about_every_environment(shipped: FakeContext) -> None:
    """Both environments are in it; an unknown model has none."""
    assert {span.environment for span in history(shipped)} == {"staging", "prod"}
    assert history(shipped, "other") == []


def test_a_release_that_was_removed_is_a_span_of_nothing(shipped: FakeContext) -> None:
    """Git still knows what served before."""
    shipped.change_main({PROD: None}, "enough")
    newest, before = history(shipped, "late", "prod")[:2]
    assert (newest.split, newest.release, newest.author) == ("nothing", None, "ada")
    assert (before.split, before.until) == ("v3 100 %", newest.since)


def test_a_release_that_cannot_be_read_is_a_span_that_says_so(shipped: FakeContext) -> None:
    """History is told around it."""
    shipped.change_main({PROD: "variants: []\n"}, "oops")
    newest, before = history(shipped, "late", "prod")[:2]
    assert newest.split == "unreadable"
    assert PROD in newest.unreadable
    assert before.split == "v3 100 %"


def test_past_releases_are_what_the_file_ever_held(shipped: FakeContext) -> None:
    """Newest first; unreadable contents are left out."""
    shipped.change_main({PROD: "variants: []\n"}, "oops")
    found = past_releases(shipped.main(), "prod", "late")
    assert [[v.weight for v in release.variants] for release in found] == [[100], [0, 100], [50, 50], [90, 10], [100]]


def test_a_prediction_leads_to_its_release_its_record_and_its_commit(shipped: FakeContext) -> None:
    """From the id in an answer to the commit that made the model."""
    prediction = log_prediction(shipped)
    shipped.clock.forward(3600)
    found = trace(shipped, "p1")
    release = shipped.release("prod")
    assert release is not None
    assert found.prediction == prediction
    assert found.span is not None
    assert found.span.split == "v3 100 %"
    assert found.record is not None
    assert (found.record.id, found.record.run_id) == ("late/v3", release.stable.run)
    assert found.record.commit == release.stable.commit
    assert (found.run_url, found.missing) == ("", "")
    assert found.run_command.endswith(release.stable.run)
    shipped.records.has_pages = True
    assert trace(shipped, "p1").run_url == f"memory://records/{release.stable.run}"


def test_a_prediction_is_traced_to_what_main_said_then(shipped: FakeContext) -> None:
    """The release has changed since."""
    log_prediction(shipped)
    shipped.clock.forward(1)
    shipped.change_main({PROD: None}, "enough")
    found = trace(shipped, "p1")
    assert found.span is not None
    assert found.span.split == "v3 100 %"


def test_a_prediction_of_an_unknown_artifact_is_still_shown(shipped: FakeContext) -> None:
    """Without record, but with what main said."""
    prediction = log_prediction(shipped)
    shipped.predictions.add(prediction.model_copy(update={"artifact": digest_of("other")}))
    found = trace(shipped, "p1")
    assert (found.record, found.run_url, found.run) == (None, "", "")
    assert found.missing == "no record has this artifact"
    assert found.span is not None


def test_an_unknown_prediction_is_refused(context: FakeContext) -> None:
    """The message names the id and where ids come from."""
    with pytest.raises(InputError, match="prediction 'p9' is not in the log; ids are in the answers"):
        trace(context, "p9")


def test_a_gate_is_explained_on_a_record(context: FakeContext) -> None:
    """Its expression, the inputs that it read, and the verdict."""
    merge_version(context, "v2")
    (result,) = explain(context, "auc_floor", "late/v2", None, None)
    assert (result.gate, result.applied, result.passed) == ("auc_floor", True, True)
    assert [one.value for one in result.rules[0].inputs] == ["0.73"]


def test_a_gate_is_explained_on_one_version_only(context: FakeContext) -> None:
    """A model without a version is a question to ask back, not a fault."""
    with pytest.raises(InputError, match="late names no version: late/v1"):
        explain(context, "auc_floor", "late", None, None)


def test_a_gate_is_explained_on_what_a_pull_request_brings(context: FakeContext) -> None:
    """Of the versions of that branch, judged by main's gate."""
    context.orchestrator.skill["models/late/v2"] = 0.0
    pull = context.propose("late-v2", model_version("v2"))
    with pytest.raises(InputError, match="no record yet of late/v2"):
        explain(context, "auc_floor", None, pull.number, None)
    check_pull_request(context, pull.number, silent)
    (result,) = explain(context, "auc_floor", None, pull.number, None)
    assert not result.passed


def test_a_gate_is_explained_on_a_canary(context: FakeContext) -> None:
    """With the figures of this moment."""
    ship(context, "v2")
    with pytest.raises(InputError, match="no canary of late is under way in staging"):
        explain(context, "canary_errors", "late", None, "staging")
    ship(context, "v3", skill=1.2)
    traffic(context, 100, errors=50)
    (result,) = explain(context, "canary_errors", "late", None, "prod")
    assert not result.passed
    (rise,) = result.rules[0].inputs
    assert 0.3 < float(rise.value) < 0.5


def test_an_unknown_gate_is_refused_with_those_there_are(context: FakeContext) -> None:
    """All names are listed."""
    with pytest.raises(InputError, match=r"no gate 'auc'.*auc_floor, canary_errors"):
        explain(context, "auc", "late/v1", None, None)


def test_a_gate_that_is_not_about_records_says_what_it_is_about(context: FakeContext) -> None:
    """A canary's gate says nothing of a record."""
    merge_version(context, "v2")
    with pytest.raises(InputError, match=r"not about this \(on: canary\); try --canary"):
        explain(context, "canary_errors", "late/v2", None, None)


def test_a_gate_is_explained_on_a_promotion(context: FakeContext) -> None:
    """A promotion's pull request is judged as its checks judge it, and the answer names the move."""
    ship(context, "v2")
    merge_version(context, "v3", skill=1.2)
    promotion = promote(context.acting("ada"), "late", "prod", "v3")
    assert promotion is not None
    (result,) = explain(context, "served_before", None, promotion.pull_request.number, None)
    assert result.about == "promote late in prod: v2 → v3 (canary 10 %)"
    assert (result.applied, result.passed) == (True, False)
    assert result.rules[0].reason == "false"
    assert result.match is not None
    assert result.match.inputs == [RuleInput(path=("environment", "promotes_from"), value="staging")]


def test_a_gate_of_another_occasion_is_not_said_to_pass(context: FakeContext) -> None:
    """Asking a model's gate about a canary is refused: nothing was judged, so nothing passed."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    with pytest.raises(InputError, match=r"not about this \(on: pull_request\); try --model"):
        explain(context, "auc_floor", "late", None, "prod")


def test_explaining_two_things_at_once_is_refused(context: FakeContext) -> None:
    """A pull request says by itself what is judged."""
    with pytest.raises(InputError, match="--pr says what to judge"):
        explain(context, "auc_floor", "late/v1", 1, None)


def test_explaining_nothing_says_what_can_be_judged(context: FakeContext) -> None:
    """No record, pull request or canary was named."""
    with pytest.raises(InputError, match="say what to judge"):
        explain(context, "quality", None, None, None)


def test_live_drift_compares_what_is_asked_with_what_was_trained_on(shipped: FakeContext, tmp_path: Path) -> None:
    """Only predictions of the very artifact that serves count."""
    with pytest.raises(InputError, match=r"no prediction of late/v3 in prod is logged yet"):
        live_drift(shipped, "late", "prod", tmp_path / "pages" / "drift.html")
    prediction = log_prediction(shipped)
    other = prediction.model_copy(update={"prediction_id": "p2", "artifact": digest_of("other")})
    shipped.predictions.add(other)
    found = live_drift(shipped, "late", "prod", tmp_path / "pages" / "drift.html")
    assert found.reference == "training set of late/v3"
    assert (found.reference_rows, found.current_rows) == (300, 1)
    assert (tmp_path / "pages" / "drift.html").exists()


def test_live_drift_of_what_does_not_serve_is_refused(context: FakeContext, tmp_path: Path) -> None:
    """The message names model and environment."""
    with pytest.raises(InputError, match="late does not serve in prod"):
        live_drift(context, "late", "prod", tmp_path / "drift.html")


def test_a_commit_dated_before_the_one_it_follows_leaves_no_gap(shipped: FakeContext) -> None:
    """Two machines' clocks differ: main's order counts, and every moment still has one answer."""
    (newest,) = history(shipped, "late", "prod")[:1]
    shipped.clock.forward(-7200)
    shipped.change_main({PROD: None}, "enough, an hour ago")
    last, before = history(shipped, "late", "prod")[:2]
    assert (last.split, last.since) == ("nothing", newest.since)
    assert (before.since, before.until) == (newest.since, newest.since)
    assert [s.split for s in history(shipped, "late", "prod", at=newest.since)] == ["nothing"]


def test_an_environment_that_was_renamed_is_two_histories(shipped: FakeContext) -> None:
    """A path is an identity: the old place ends with nothing, the new one begins."""
    tree = shipped.repository.tree("main")
    moved = {path: tree.read(path).decode() for path in tree.files() if path.startswith("environments/prod/")}
    new = {path.replace("/prod/", "/live/"): text for path, text in moved.items()}
    shipped.change_main({**new, **dict.fromkeys(moved)}, "prod is called live")
    assert history(shipped, "late", "prod")[0].split == "nothing"
    assert [s.split for s in history(shipped, "late", "live")] == ["v3 100 %"]


def test_a_prediction_of_a_candidate_just_reverted_is_traced_to_its_release(shipped: FakeContext) -> None:
    """The router follows main within seconds: what answered meanwhile was released by an earlier commit."""
    log_prediction(shipped)
    prediction = shipped.predictions.find("p1")
    assert prediction is not None
    shipped.change_main({PROD: None}, "enough")
    shipped.predictions.add(prediction.model_copy(update={"at": shipped.clock.now()}))
    found = trace(shipped, "p1")
    assert found.span is not None
    assert found.span.split == "v3 100 %"


def test_of_records_that_share_an_artifact_the_released_one_is_named(shipped: FakeContext) -> None:
    """A newer run made the same bytes; it is not where the prediction came from."""
    log_prediction(shipped)
    release = shipped.release("prod")
    assert release is not None
    record = shipped.records._records[release.stable.run]
    later = {"run_id": "later", "recorded_at": record.recorded_at + timedelta(days=1)}
    shipped.records._records["later"] = record.model_copy(update=later)
    found = trace(shipped, "p1")
    assert found.record == record


def test_a_prediction_whose_record_is_gone_still_names_its_run(shipped: FakeContext) -> None:
    """Git knows it."""
    log_prediction(shipped)
    release = shipped.release("prod")
    assert release is not None
    del shipped.records._records[release.stable.run]
    found = trace(shipped, "p1")
    assert (found.record, found.run) == (None, release.stable.run)
    assert found.missing == "no record has this artifact"
