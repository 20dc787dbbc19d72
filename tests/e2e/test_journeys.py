"""The five journeys, as `make ship` plays them, with real parts only."""

from __future__ import annotations

import math
import re
from contextlib import closing
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import httpx
import psutil
import pytest

from bighead_ci.callers.requests import request_bodies
from bighead_ci.callers.traffic import Traffic
from bighead_ci.definitions.loading import load_feature_set
from bighead_ci.features.online import FeatureReader
from bighead_ci.planning.stages import CODE_SERVING_ENTRY_POINT
from bighead_ci.ports.progress import silent
from e2e.conftest import Shipped
from fakes.repositories import git
from fakes.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


KERNELS = "from sklearn.kernel_approximation import RBFSampler"
KERNEL_STEP = """\
    kernels = FeatureUnion([("same", "passthrough"), ("kernel", RBFSampler(n_components=20, random_state=0))])
    classifier = """
"""A step that no compiler knows, beside columns that keep what is known of flights."""


def report_of(shipped: Shipped, branch: str) -> str:
    """The report on the pull request of a branch."""
    comment = shipped.context.forge.get(shipped.facts.pull_requests[branch]).comment("report")
    assert comment is not None
    return comment.body


def proposed_and_served(shipped: Shipped, model: str) -> int:
    """What the clone has committed goes through its pull request and its promotion; the number of the first."""
    number = int(shipped.bighead("pr", "open", user="ada")["number"])
    shipped.bighead("pr", "wait", str(number))
    shipped.bighead("pr", "approve", str(number))
    shipped.bighead("pr", "merge", str(number), "--wait")
    until(lambda: shipped.context.forge.find("open", source=f"release/staging/{model}"), 120)
    (promotion,) = shipped.context.forge.find("open", source=f"release/staging/{model}")
    shipped.bighead("pr", "approve", str(promotion.number))
    shipped.bighead("pr", "merge", str(promotion.number), "--wait")
    until(lambda: shipped.bighead("status", allowed=(0, 1))["in_step"], 120)
    return number


def test_a_pull_request_gets_one_report_that_compares_with_what_runs(shipped: Shipped) -> None:
    """v2's report has its verdict first, and its metrics against staging and prod with an interval."""
    number = shipped.facts.pull_requests["flight-delay-v2"]
    pull = shipped.context.forge.get(number)
    assert [comment.marker for comment in pull.comments] == ["report"]
    body = report_of(shipped, "flight-delay-v2")
    assert "flight_delay v2 passes" in body.splitlines()[0]
    assert re.search(r"staging now \(v1\).*prod now \(v1\)", body)
    assert re.search(r"^\| auc \|", body, re.MULTILINE)
    assert "data:image/svg+xml;base64," in body
    assert len(body) < 65_536


def test_the_page_is_self_contained(shipped: Shipped) -> None:
    """The HTML page asks no other host for anything."""
    number = shipped.facts.pull_requests["flight-delay-v2"]
    (page,) = (shipped.directory / "state" / "reports" / f"pr-{number}").glob("*/index.html")
    asked: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            wanted = {"img": "src", "script": "src", "link": "href", "iframe": "src"}.get(tag)
            asked.extend(value or "" for name, value in attrs if name == wanted)

    Links().feed(page.read_text())
    assert [link for link in asked if not link.startswith("data:")] == []


def test_two_frameworks_shipped_in_concurrent_pull_requests(shipped: Shipped) -> None:
    """The scikit-learn and the torch model both serve in both environments."""
    found = shipped.bighead("status")
    serving = {(m["environment"], m["model"]) for m in found["models"]}
    assert found["in_step"]
    assert serving == {(e, m) for e in ("staging", "prod") for m in ("flight_delay", "digit_reader")}


def test_a_promotion_lists_the_commits_that_it_brings(shipped: Shipped) -> None:
    """flight_delay v2 came by one merge; other models and v1's own commit are not in its promotion."""
    (promotion,) = [
        pull
        for pull in shipped.context.forge.find(state="merged", label="bighead/release/promote")
        if pull.source == "release/prod/flight_delay" and "v1 → v2" in pull.title
    ]
    assert "**1 commit between what serves and this**" in shipped.context.forge.get(promotion.number).body


def test_no_request_failed_during_any_change_of_weight(shipped: Shipped) -> None:
    """Every weight in git was measured at the router, and nothing failed."""
    assert [seen.weight for seen in shipped.facts.weights] == [10, 50, 100]
    assert shipped.facts.canary_requests > 1000
    assert shipped.facts.canary_failed == 0
    for seen in shipped.facts.weights:
        share = seen.weight / 100
        chance = math.sqrt(share * (1 - share) / seen.requests)
        assert abs(seen.measured / 100 - share) <= 5 * chance + 0.01, seen


def test_a_worse_model_fails_on_its_pull_request_with_reasons(shipped: Shipped) -> None:
    """The report of the worse v3 names the gate."""
    body = report_of(shipped, "flight-delay-v3-worse")
    assert body.splitlines()[0].startswith(("### ❌", "❌"))
    assert "not_worse" in body


def test_a_misbehaving_model_is_reverted_with_the_evidence_in_the_pull_request(shipped: Shipped) -> None:
    """The bot's revert carries the failing gate and the figures it read."""
    reverts = shipped.context.forge.find(state="merged", label="bighead/release/rollback")
    assert [pull.author for pull in reverts] == ["bighead-bot"]
    assert "canary_scores" in shipped.context.forge.get(reverts[0].number).body
    assert "null_ratio_max_rise" in shipped.context.forge.get(reverts[0].number).body


def test_history_answers_from_git_who_served_what(shipped: Shipped) -> None:
    """Newest first: the abort, the canary of v3, v2 alone, its steps, v1."""
    spans = shipped.bighead("history", "flight_delay", "--env", "prod")["spans"]
    weights = [{v["version"]: v["weight"] for v in span["release"]["variants"]} for span in spans]
    assert weights == [
        {"v2": 100},
        {"v2": 90, "v3": 10},
        {"v2": 100},
        {"v1": 0, "v2": 100},
        {"v1": 50, "v2": 50},
        {"v1": 90, "v2": 10},
        {"v1": 100},
    ]


def test_trace_follows_a_prediction_to_its_commit(shipped: Shipped) -> None:
    """Prediction → variant → artifact → run → training set → features → commit."""
    found = shipped.bighead("trace", shipped.facts.prediction)
    record = found["record"]
    assert found["prediction"]["artifact"] == record["artifact"]
    assert [f["set"] for f in record["features"]] == [
        "carrier_delays/v1",
        "origin_congestion/v1",
        "origin_weather/v1",
        "tail_history/v1",
    ]
    assert shipped.context.repository.resolve(record["commit"]) == record["commit"]
    assert {v["artifact"] for v in found["span"]["release"]["variants"]} == {record["artifact"]}


def test_trace_shows_what_the_model_saw(shipped: Shipped) -> None:
    """The request, every input, and of each feature set the moment up to which it knew events."""
    found = shipped.bighead("trace", shipped.facts.prediction)
    seen, sets = found["prediction"], {f["set"] for f in found["record"]["features"]}
    assert seen["known_until"].keys() == sets
    as_of = datetime.fromisoformat(seen["as_of"])
    assert all(datetime.fromisoformat(until) <= as_of for until in seen["known_until"].values())
    assert {name.split("/")[0] for name in sets} <= {name.split(".")[0] for name in seen["inputs"] if "." in name}


def test_live_requests_are_compared_with_the_training_set(shipped: Shipped) -> None:
    """Every numeric and string input is measured by Evidently, whose own page is written."""
    found = shipped.bighead("drift", "flight_delay", "--env", "prod")
    measured = {column["column"] for column in found["columns"]}
    assert {"hour", "carrier", "tail_history.dep_delay_count_1d"} <= measured
    assert found["current_rows"] > 100
    assert "<html" in Path(found["page"]).read_text()[:2000].lower()


def test_the_report_of_a_closed_pull_request_stays_as_it_is(shipped: Shipped) -> None:
    """The evidence that a decision was made on is not written over."""
    number = shipped.facts.pull_requests["flight-delay-v3-worse"]
    before = report_of(shipped, "flight-delay-v3-worse")
    answer = shipped.bighead("ci", str(number), allowed=(2,))
    assert f"#{number} is closed" in answer["error"]
    assert report_of(shipped, "flight-delay-v3-worse") == before


def test_rollback_check_names_a_corrupted_artifact(shipped: Shipped) -> None:
    """What a rollback needs is verified before it is needed."""
    context = shipped.context
    target = shipped.bighead("rollback", "flight_delay", "--env", "prod", "--check")
    assert target["possible"]
    artifact = context.records.artifact(target["release"]["variants"][0]["artifact"]) / "golden.json"
    whole = artifact.read_bytes()
    artifact.write_bytes(whole[:-1])
    try:
        answer = shipped.bighead("rollback", "flight_delay", "--env", "prod", "--check", allowed=(1,))
    finally:
        artifact.write_bytes(whole)
    assert [p["what"].split()[1] for p in answer["preconditions"] if not p["holds"]] == ["artifact"]


def test_online_features_equal_offline_ones(shipped: Shipped) -> None:
    """What a live prediction was made of is what the offline store computes for that instant, to the last bit."""
    context = shipped.context
    prediction = context.predictions.find(shipped.facts.prediction)
    record = context.records.by_artifact(prediction.artifact) if prediction else None
    assert prediction is not None
    assert record is not None
    tree = context.repository.tree("main")
    sources = context.orchestrator.sources(context.main().commit, silent) / "features" / "sources"
    as_of = int(prediction.as_of.timestamp() * 1_000_000)
    for schema in record.features:
        loaded = load_feature_set(tree, *schema.set.split("/"))
        with closing(context.open_online_store(readonly=True)) as store:
            reader = FeatureReader(store)
            reader.open(schema)
            until = reader.until(schema.set)
        keys = {column: [prediction.request[column]] for column in loaded.definition.key}
        places = {loaded.definition.source: (loaded.source, sources / loaded.source.path)}
        offline = context.offline_store.features_at(loaded, places, keys, [as_of], known_before=until)
        for column in schema.columns:
            name = f"{loaded.name}.{column}"
            assert prediction.inputs[name] == offline[name][0], name


def serving_pid(shipped: Shipped, model: str, environment: str = "prod") -> int | None:
    """The process of a model's variant that has the traffic, once it is ready."""
    live = {m.model: m for m in shipped.observed(environment)}
    return next((v.pid for v in live[model].variants if v.weight and v.state == "ready"), None)


def test_a_killed_process_comes_back_and_the_other_models_never_notice(shipped: Shipped) -> None:
    """Another process serves soon, by itself; the other model's callers get every answer meanwhile."""
    context = shipped.context
    url = next(m.url for m in shipped.observed("prod") if m.model == "digit_reader")
    bodies = request_bodies(context, context.main(), "digit_reader", "v1", silent)
    with Traffic(f"{url}/predict", bodies, rate=50) as traffic:
        before = serving_pid(shipped, "flight_delay")
        assert before is not None
        psutil.Process(before).kill()
        until(lambda: serving_pid(shipped, "flight_delay") not in {before, None}, 60)
        summary = traffic.stop()
    assert not psutil.pid_exists(before)
    assert summary.requests > 50
    assert summary.failed == 0
    assert shipped.bighead("status")["in_step"]


def test_a_git_revert_brought_the_old_version_back(shipped: Shipped) -> None:
    """Staging has v2 alone in git and at the router, after v3 had served there."""
    spans = shipped.bighead("history", "flight_delay", "--env", "staging")["spans"]
    served = [{v["version"]: v["weight"] for v in span["release"]["variants"] if v["weight"]} for span in spans]
    assert served[:3] == [{"v2": 100}, {"v3": 100}, {"v2": 100}]
    live = {m.model: m for m in shipped.observed("staging")}["flight_delay"]
    assert {v.version: v.weight for v in live.variants if v.weight} == {"v2": 100}


def test_a_version_that_serves_is_run_again_by_its_run_yaml(shipped: Shipped) -> None:
    """Another artifact of the same version serves then, and the records of both are kept."""
    clone, records = shipped.directory / "clone", shipped.context.records
    before = shipped.stable("staging", "flight_delay")
    git(clone, "fetch", "--quiet", "origin")
    git(clone, "checkout", "--quiet", "-b", "later", "origin/main")
    asked = shipped.bighead("retrain", "flight_delay/v2", "--as-of", "now", "--pin-data")
    assert before.version == "v2"
    assert asked["run"]["data"].keys() == {"departures", "schedule", "weather"}
    git(clone, "commit", "--quiet", "--all", "--message", "flight_delay v2 as of today")
    proposed_and_served(shipped, "flight_delay")
    after = shipped.stable("staging", "flight_delay")
    assert (after.version, after.artifact == before.artifact) == ("v2", False)
    kept = [record for run in (before.run, after.run) if (record := records.by_run(run)) is not None]
    assert [record.artifact for record in kept] == [before.artifact, after.artifact]
    assert kept[1].content_key == asked["content_key"]


def test_a_version_that_nothing_compiles_is_served_by_its_own_code(shipped: Shipped) -> None:
    """Nobody asked for that: it is judged and answers where it was trained; its report says why and what it costs."""
    clone = shipped.directory / "clone"
    git(clone, "fetch", "--quiet", "origin")
    git(clone, "checkout", "--quiet", "-b", "kernels", "origin/main")
    shipped.bighead("new", "model", "kernel_delay", "--from", "flight_delay/v1")
    code = clone / "models/kernel_delay/v1/model.py"
    code.write_text(
        code.read_text()
        .replace("from sklearn.linear_model", f"{KERNELS}\nfrom sklearn.linear_model")
        .replace("import Pipeline", "import FeatureUnion, Pipeline")
        .replace('("classifier", classifier)', '("kernels", kernels), ("classifier", classifier)')
        .replace("    classifier = ", KERNEL_STEP)
    )
    shipped.bighead("check", "--write")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "kernel_delay v1")
    number = proposed_and_served(shipped, "kernel_delay")
    comment = shipped.context.forge.get(number).comment("report")
    assert comment is not None
    assert re.search(r"its own code, [0-9.]+ ms a row", comment.body.splitlines()[0]), comment.body[:400]
    assert "No compiled kind" in comment.body
    assert re.search(r"- not `trees`: .*RBFSampler", comment.body)
    served = shipped.stable("staging", "kernel_delay")
    record, image = shipped.context.records.by_run(served.run), shipped.context.images.open(served.image)
    assert record is not None
    assert image is not None
    assert (record.kind, record.fell, record.image) == ("python", True, served.image)
    assert image.manifest.entry_point == CODE_SERVING_ENTRY_POINT
    (live,) = [one for one in shipped.observed("staging") if one.model == "kernel_delay"]
    row = {"carrier": "UA", "origin": "EWR", "hour": 17, "weekday": 4, "month": 8, "distance": 2586}
    answer = httpx.post(f"{live.url}/predict", json=row, trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["artifact"], 0 < answer.json()["score"] < 1) == (served.artifact, True)
