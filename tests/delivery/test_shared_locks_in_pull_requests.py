"""Pull requests about locks that versions share."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.definitions.shared_locks import lock_naming, shared_path
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.documents.forge import PullRequest
from bighead_ci.errors import RetryError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.git_context import GitContext
from fakes.memory_tree import dedented

PINS = f"numpy==2.4.6 \\\n    --hash=sha256:{'0' * 64}\n"
SHARED = shared_path(PINS.encode())
V2, V3 = "models/late/v2", "models/late/v3"


def sharing(version: str, model: str = "late") -> dict[str, str]:
    """A version both of whose locks are a shared one."""
    folder = f"models/{model}/{version}"
    locks = dict.fromkeys((f"{folder}/training.lock", f"{folder}/serving.lock"), lock_naming(PINS.encode()).decode())
    return model_version(version, model) | locks


def merge(context: FakeContext, pull: PullRequest) -> None:
    assert check_pull_request(context, pull.number, silent).state == "passed"
    context.approve_and_merge(pull.number)


def test_the_next_version_names_what_the_first_brought(context: FakeContext) -> None:
    """Each is trained on the pins of both files; the second brings four lines of locks."""
    merge(context, context.propose("v2", {**sharing("v2"), SHARED: PINS}))
    pull = context.propose("v3", sharing("v3"))
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "passed"
    assert report.plan is not None
    assert [file.path for file in report.plan.files if file.path.endswith(".lock")] == [
        f"{V3}/serving.lock",
        f"{V3}/training.lock",
    ]


def test_what_versions_share_can_neither_be_taken_away_nor_edited(context: FakeContext) -> None:
    """Whatever else the pull request does: it is told for the versions that it does not touch."""
    merge(context, context.propose("v2", {**sharing("v2"), SHARED: PINS}))
    gone = check_pull_request(context, context.propose("gone", {SHARED: None}).number, silent)
    edited = check_pull_request(context, context.propose("edited", {SHARED: PINS + "# more\n"}).number, silent)
    assert (gone.state, edited.state) == ("invalid", "invalid")
    assert {problem.partition(":2: there is no ")[0] for problem in gone.problems} == {
        f"{V2}/serving.lock",
        f"{V2}/training.lock",
    }
    (problem,) = edited.problems
    assert problem.startswith(f"{SHARED}: its name is not the SHA-256 of what it holds")


def test_a_shared_lock_goes_with_the_last_version_that_names_it(context: FakeContext) -> None:
    """Left behind, it is told; taken away in the same pull request, nothing is wrong."""
    merge(context, context.propose("v2", {**sharing("v2"), SHARED: PINS}))
    removal: dict[str, str | None] = dict.fromkeys(sharing("v2"))
    left = check_pull_request(context, context.propose("left", removal).number, silent)
    assert left.problems == [f"{SHARED}: no model version shares this lock: git rm {SHARED}"]
    assert (
        check_pull_request(context, context.propose("whole", {**removal, SHARED: None}).number, silent).state
        == "passed"
    )


def test_the_removal_of_a_shared_lock_is_judged_again_when_a_version_begins_to_name_it(context: FakeContext) -> None:
    """Both were right when they were judged, and main would have a version without its lock."""
    context.change_main({SHARED: PINS}, "left by an earlier version")
    removal = context.propose("tidy", {SHARED: None})
    assert check_pull_request(context, removal.number, silent).state == "passed"
    review(context.acting("grace"), removal.number, approved=True)
    merge(context, context.propose("v3", sharing("v3")))
    with pytest.raises(RetryError, match=r"main changed models/late/v3/.* it is being checked again"):
        merge_pull_request(context.acting("grace"), removal.number)
    found = find_check(context.forge, removal.head, CI)
    assert found is not None
    assert found.state == "pending"
    assert check_pull_request(context, removal.number, silent).state == "invalid"


def test_what_names_a_shared_lock_that_main_lost_is_judged_again(context: FakeContext) -> None:
    """It was there when it was judged, and went with the last version that named it."""
    merge(context, context.propose("v2", {**sharing("v2"), SHARED: PINS}))
    pull = context.propose("v3", sharing("v3"))
    assert check_pull_request(context, pull.number, silent).state == "passed"
    review(context.acting("grace"), pull.number, approved=True)
    context.change_main({**dict.fromkeys(sharing("v2")), SHARED: None}, "v2 is gone, and what it alone named")
    with pytest.raises(RetryError, match="it is being checked again"):
        merge_pull_request(context.acting("grace"), pull.number)
    assert check_pull_request(context, pull.number, silent).state == "invalid"


def test_two_models_that_bring_one_shared_lock_merge(tmp_path: Path) -> None:
    """In real git: both add one file with one content, and neither has the other judged again."""
    story = GitContext(tmp_path)
    for model in ("early", "tardy"):
        story.git("checkout", "--quiet", "-b", model, "main")
        for path, text in dedented({**sharing("v1", model), SHARED: PINS}).items():
            (story.clone / path).parent.mkdir(parents=True, exist_ok=True)
            (story.clone / path).write_text(text)
        story.git("add", "--all")
        story.git("commit", "--quiet", "-m", model)
    pulls = []
    for model in ("early", "tardy"):
        story.git("checkout", "--quiet", model)
        pulls.append(story.pull(model))
    grace = story.acting("grace")
    for pull in pulls:
        assert check_pull_request(story, pull.number, silent).state == "passed"
        review(grace, pull.number, approved=True)
    for pull in pulls:
        assert merge_pull_request(grace, pull.number).state == "merged"
    assert {SHARED, "models/early/v1/serving.lock", "models/tardy/v1/serving.lock"} <= {*story.main().tree.files()}
