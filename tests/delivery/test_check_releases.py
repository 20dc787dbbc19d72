"""The checks of pull requests that edit releases, by command or by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bighead_ci.definitions.loading import load_release
from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.rollback import rollback
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.documents.release import Release
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext
from fakes.posted import comment, statuses
from fakes.shipping import merge_version, promote_and_merge, ship

V2 = "models/late/v2"


def proposed(context: FakeContext, pull: PullRequestSummary) -> Release:
    """The staging release that a branch proposes."""
    tree = context.repository.tree(pull.head)
    return load_release(tree, "staging", "late").release


def edited(release: Release, **changes: object) -> str:
    """The release file with its newest variant changed by hand."""
    *others, newest = release.variants
    return render_release(release.model_copy(update={"variants": [*others, newest.model_copy(update=changes)]}))


@pytest.mark.parametrize(
    ("field", "value"),
    [("artifact", digest_of("other")), ("image", f"local/late@{digest_of('other')}"), ("version", "v7")],
)
def test_a_release_may_name_only_what_its_record_holds(context: FakeContext, field: str, value: str) -> None:
    """A promotion whose branch names another artifact, image or version is refused, naming file and value."""
    merge_version(context, "v2")
    pull = context.forge.find("open")[0]
    new = proposed(context, pull)
    pull = context.propose(pull.source, {"environments/staging/late.yaml": edited(new, **{field: value})})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert len(report.problems) == 1
    assert report.problems[0].startswith(f"environments/staging/late.yaml: variants.0.{field}")
    assert value in report.problems[0]
    assert statuses(context, pull)[CI] == "failure"


def test_a_release_of_an_unknown_run_is_refused(context: FakeContext) -> None:
    """A run id that no record has is named."""
    merge_version(context, "v2")
    pull = context.forge.find("open")[0]
    changed = edited(proposed(context, pull), run="run99")
    pull = context.propose(pull.source, {"environments/staging/late.yaml": changed})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "run99" in report.problems[0]
    assert "no record has this run id" in report.problems[0]


def test_a_hand_edited_release_is_refused_with_the_command_to_use(context: FakeContext) -> None:
    """Giving a canary a weight out of turn is no move; the refusal names the commands that are."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    release = context.release("prod")
    assert release is not None
    stable, candidate = release.variants
    jumped = release.model_copy(
        update={
            "variants": [stable.model_copy(update={"weight": 0}), candidate.model_copy(update={"weight": 100})],
        }
    )
    pull = context.propose("by-hand", {"environments/prod/late.yaml": render_release(jumped)})
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "environments/prod/late.yaml" in report.problems[0]
    assert "bighead advance" in report.problems[0]
    assert "bighead rollback late --env prod" in report.problems[0]


def test_a_promotion_is_judged_again_and_its_body_says_the_verdict(context: FakeContext) -> None:
    """The check of a promotion PR passes, and writes the report of its gates into its body."""
    merge_version(context, "v2")
    promotion = promote(context, "late", "staging", "v2")
    assert promotion is not None
    number = promotion.pull_request.number
    context.forge.update(number, body="changed by somebody")
    report = check_pull_request(context, number, silent)
    assert report.state == "passed"
    body = context.forge.get(number).body
    assert "changed by somebody" not in body
    assert "quality" in body


def test_a_promotion_without_its_gates_fails_the_check(context: FakeContext) -> None:
    """Prod before staging: the pull request opens, and its check fails."""
    merge_version(context, "v2")
    promotion = promote(context, "late", "prod", "v2")
    assert promotion is not None
    pull = promotion.pull_request
    assert check_pull_request(context, pull.number, silent).state == "failed"
    assert statuses(context, pull)[CI] == "failure"


def test_a_promotion_by_hand_needs_as_many_approvals_as_by_command(context: FakeContext) -> None:
    """Prod asks for two people, whatever a pull request says of itself."""
    path = "environments/prod/environment.yaml"
    text = context.repository.tree("main").read(path).decode()
    context.change_main({path: text + "approvals: 2\n"}, "two people")
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    promotion = promote(context.acting("ada"), "late", "prod")
    assert promotion is not None
    assert check_pull_request(context, promotion.pull_request.number, silent).state == "passed"
    release = context.repository.tree(promotion.pull_request.head).read("environments/prod/late.yaml").decode()
    pull = context.propose("by-hand", {"environments/prod/late.yaml": release})
    assert check_pull_request(context, pull.number, silent).state == "passed"
    with pytest.raises(InputError, match=r"bighead/approvals: .* \(1 of 2: grace\)"):
        context.approve_and_merge(pull.number)
    review(context.acting("eve"), pull.number, approved=True)
    assert merge_pull_request(context.acting("grace"), pull.number).state == "merged"


def test_what_needs_no_approval_may_change_nothing_but_a_release(context: FakeContext) -> None:
    """A policy that is pushed onto a rollback's branch does not slip in with it."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    pull = rollback(context.acting("eve"), "late", "prod")
    context.repository.commit(pull.source, pull.head, {"policies/auc_floor.yaml": None}, "sly", "eve")
    check_pull_request(context, pull.number, silent)
    pull = context.forge.get(pull.number)
    with pytest.raises(InputError, match=r"bighead/approvals: must succeed .*0 of 1"):
        merge_pull_request(context.acting("eve"), pull.number)


def test_a_change_of_two_releases_reports_on_both_and_keeps_its_own_words(context: FakeContext) -> None:
    """One hand-made pull request takes two environments back."""
    ship(context, "v2")
    ship(context, "v3", skill=1.2)
    paths = [f"environments/{environment}/late.yaml" for environment in ("staging", "prod")]
    log = {path: context.repository.log("main", path) for path in paths}
    before = {path: context.repository.tree(log[path][1].id).read(path).decode() for path in paths}
    pull = context.propose("both", before)
    context.forge.update(pull.number, body="why I do this")
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert context.forge.get(pull.number).body == "why I do this"
    assert "Roll back late in staging" in comment(context, pull)
    assert "Roll back late in prod" in comment(context, pull)


@pytest.mark.parametrize(
    ("edit", "title"),
    [
        (lambda _: None, "Stop serving late in prod: v2 no longer serves"),
        (lambda text: text.replace("soak: 8s", "soak: 9s"), "Change the canary plan of late in prod"),
    ],
)
def test_a_removal_and_an_edited_plan_are_told_as_what_they_are(
    context: FakeContext, edit: Callable[[str], str | None], title: str
) -> None:
    """The comment and the pull request's description name the move."""
    ship(context, "v2")
    path = "environments/prod/late.yaml"
    text = context.repository.tree("main").read(path).decode()
    assert edit(text) != text
    pull = context.propose("by-hand", {path: edit(text)})
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert title in context.forge.get(pull.number).body + comment(context, pull)
