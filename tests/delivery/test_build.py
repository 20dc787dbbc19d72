"""Making a version's record in the checks of its pull request: once, whole, and of what was really built."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI
from bighead_ci.documents.artifact import Kind
from bighead_ci.documents.inputs import Image
from bighead_ci.documents.record import RunRecord
from bighead_ci.planning.stages import CODE_SERVING_ENTRY_POINT, SERVING_ENTRY_POINT
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.posted import comment, statuses
from fakes.shipping import ship

V2 = "models/late/v2"


def test_the_same_content_key_is_trained_once_and_updates_the_same_comment(context: FakeContext) -> None:
    """A new head that changes only the card reuses the record."""
    pull = context.propose("late-v2", model_version("v2"))
    first = check_pull_request(context, pull.number, silent)
    pull = context.propose("late-v2", {f"{V2}/README.md": "# A better card\n"})
    second = check_pull_request(context, pull.number, silent)
    assert context.orchestrator.trained == [V2]
    assert second.models[0].reused
    assert second.models[0].record == first.models[0].record
    assert pull.head[:10] in comment(context, pull)
    assert statuses(context, pull)[CI] == "success"


def test_a_released_version_may_run_again_at_another_moment(context: FakeContext) -> None:
    """An edit of its run.yaml is legal while it serves, trains it again, and leaves the first record as it was."""
    ship(context, "v2")
    pull = context.propose("again", {f"{V2}/run.yaml": "as_of: 2013-10-02T00:00:00Z\n"})
    report = check_pull_request(context, pull.number, silent)
    assert (report.state, report.problems) == ("passed", [])
    (model,) = report.models
    (before,) = {running.record.run_id: running.record for running in model.running}.values()
    assert (model.record.id, model.reused) == (before.id, False)
    assert model.record.content_key != before.content_key
    assert context.orchestrator.trained == [V2, V2]
    assert context.records.by_content_key(before.content_key) == before
    frozen = context.propose("frozen", {f"{V2}/model.py": "def build(parameters): 1\n"})
    assert "may not be edited in place" in str(check_pull_request(context, frozen.number, silent).problems)


def test_two_checks_of_one_content_key_train_it_once(context: FakeContext) -> None:
    """The second waits for the first and takes its record; neither touches the other's work tree."""
    pull = context.propose("late-v2", model_version("v2"))
    waiting = threading.Event()

    def slow(_directory: str) -> None:
        assert waiting.wait(10)

    def noticed(line: str) -> None:
        if "waiting for it" in line:
            waiting.set()

    context.orchestrator.before = slow
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: check_pull_request(context, pull.number, noticed), range(2)))
    assert [report.state for report in reports] == ["passed", "passed"]
    assert sorted(report.models[0].reused for report in reports) == [False, True]
    assert context.orchestrator.trained == [V2]


def test_a_damaged_artifact_is_made_again_instead_of_reused(context: FakeContext) -> None:
    """A record whose artifact no process would load is no reason to pass."""
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    (context.records.artifact(record.artifact) / "model.onnx").write_text("something else")
    again = check_pull_request(context, pull.number, silent).models[0]
    assert (again.record, again.reused) == (record, False)
    assert context.records.artifact(record.artifact).exists()


def test_a_damaged_artifact_that_comes_out_otherwise_is_an_error(context: FakeContext) -> None:
    """The record names bytes that nothing makes any more."""
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    (context.records.artifact(record.artifact) / "model.onnx").write_text("something else")
    context.orchestrator.skill[V2] = 1.1
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "making it again gave something else" in report.problems[0]


def test_an_image_that_is_gone_is_built_again(context: FakeContext) -> None:
    """What its key names is all that goes into it: a new description since then makes no other image."""
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    definition = model_version("v2")[f"{V2}/model.yaml"]
    pull = context.propose("late-v2", {f"{V2}/model.yaml": definition.replace("owner: flights", "owner: ops")})
    context.images.held.clear()
    assert check_pull_request(context, pull.number, silent).models[0].record == record
    assert context.images.find(record.image) is not None


def test_an_image_that_comes_out_otherwise_is_an_error(context: FakeContext) -> None:
    """A record names what was built; another reference for the same key does not take its place unseen."""
    pull = context.propose("late-v2", model_version("v2"))
    check_pull_request(context, pull.number, silent)
    context.images.held.clear()
    context.images.answers += 1
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "making it again gave something else" in report.problems[0]


def test_a_record_names_the_image_that_the_builder_answered_with(context: FakeContext) -> None:
    """And not what anybody planned."""
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    assert sorted(ref.reference for ref in record.images.values()) == sorted(context.images.held)
    assert record.images["serve"].key == context.images.held[record.image].key


@pytest.mark.parametrize(
    ("kind", "image", "entry_point"),
    [("trees", "serve", SERVING_ENTRY_POINT), ("python", "serve-code", CODE_SERVING_ENTRY_POINT)],
)
def test_the_image_that_serves_is_of_what_the_estimator_became(
    context: FakeContext, kind: Kind, image: Image, entry_point: str
) -> None:
    """Where nothing compiled answers, one that runs the version's code; the other is not built at all."""
    context.orchestrator.kinds[V2] = kind
    pull = context.propose("late-v2", model_version("v2"))
    record = check_pull_request(context, pull.number, silent).models[0].record
    assert (record.kind, record.fell, record.row_milliseconds) == (kind, kind == "python", 0.5)
    assert record.images["serve"].key == record.inputs.image_key(image)
    assert context.images.held[record.image].entry_point == entry_point
    assert len(context.images.held) == 2
    assert RunRecord.model_validate_json(record.model_dump_json()) == record


def test_a_retrained_version_may_become_another_kind(context: FakeContext) -> None:
    """On another day's data no compiled kind answers: each record names the image that serves its own artifact."""
    pull = context.propose("late-v2", model_version("v2"))
    before = check_pull_request(context, pull.number, silent).models[0].record
    context.orchestrator.kinds[V2] = "python"
    pull = context.propose("late-v2", {f"{V2}/run.yaml": "as_of: 2013-10-02T00:00:00Z\n"})
    after = check_pull_request(context, pull.number, silent).models[0].record
    assert (before.fell, after.fell) == (False, True)
    assert before.image != after.image
    assert {before.image, after.image} <= context.images.held.keys()
