"""What is judged is what is merged: the tree that the merge would leave, against main as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bighead_ci.clocks import SystemClock
from bighead_ci.delivery.approvals import review
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.main import Mainline
from bighead_ci.delivery.merge import merge_pull_request
from bighead_ci.delivery.outdated import outdated_by
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.documents.forge import PullRequestSummary
from bighead_ci.errors import InputError, RetryError
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.repository import GitRepository
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, encoded, model_version
from fakes.engine import MemoryEngine
from fakes.memory_tree import DELAYS, repository
from fakes.repositories import begin_repository, git
from fakes.shipping import merge_version, pass_canary, promote_and_merge

POLICY = "policies/auc_floor.yaml"
STAGING = "environments/staging/environment.yaml"
SET = "features/delays/v1/feature_set.yaml"


def judged(context: FakeContext, branch: str, changes: dict[str, str]) -> PullRequestSummary:
    """A pull request whose checks passed and that somebody approved."""
    pull = context.propose(branch, changes)
    assert check_pull_request(context, pull.number, silent).state == "passed"
    review(context.acting("grace"), pull.number, approved=True)
    return pull


def verdict(context: FakeContext, pull: PullRequestSummary) -> str:
    found = find_check(context.forge, pull.head, CI)
    assert found is not None
    return found.state


def test_the_check_names_the_main_that_was_judged(context: FakeContext) -> None:
    """So whoever merges knows what the verdict is about."""
    pull = judged(context, "late-v2", model_version("v2"))
    found = find_check(context.forge, pull.head, CI)
    assert found is not None
    assert found.external_id == context.tip


def test_a_main_that_moved_elsewhere_is_no_obstacle(context: FakeContext) -> None:
    """What the verdict rests on is as it was."""
    pull = judged(context, "late-v2", model_version("v2"))
    context.change_main({"README.md": "# elsewhere\n", **model_version("v1", "other")}, "elsewhere")
    assert merge_pull_request(context.acting("grace"), pull.number).state == "merged"


@pytest.mark.parametrize("path", [POLICY, "features/sources/flights.yaml", SET])
def test_a_main_that_changed_what_was_judged_by_asks_for_a_new_check(context: FakeContext, path: str) -> None:
    """Merging is a lost race then, and the verdict is taken back; once it is made anew, it merges."""
    pull = judged(context, "late-v2", model_version("v2"))
    text = context.repository.tree("main").read(path).decode()
    context.change_main({path: text + "\n# as it is now\n"}, "main goes on")
    with pytest.raises(RetryError, match="it is being checked again"):
        merge_pull_request(context.acting("grace"), pull.number)
    assert verdict(context, pull) == "pending"
    assert context.forge.get(pull.number).state == "open"
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert merge_pull_request(context.acting("grace"), pull.number).state == "merged"


def test_a_change_without_models_rests_on_no_policy(context: FakeContext) -> None:
    """Inputs of a verdict come from the plan: a card is judged by nothing."""
    pull = judged(context, "card", {"README.md": "# read me\n"})
    text = context.repository.tree("main").read(POLICY).decode()
    context.change_main({POLICY: text + "# now\n"}, "policy")
    assert merge_pull_request(context.acting("grace"), pull.number).state == "merged"


def test_a_verdict_on_no_commit_of_ours_is_asked_for_again(context: FakeContext) -> None:
    """Another program may set checks: what one odd pull request says stops the delivery of nobody."""
    before = context.tip
    odd = context.propose("odd", {"README.md": "odd\n"})
    context.forge.set_check(odd.head, CI, "success", "looks good", external_id="run 4711")
    context.change_main(model_version("v2"), "v2")
    delivery = deliver(context, before, silent)
    assert (len(delivery.promotions), delivery.failures) == (1, [])
    found = find_check(context.forge, odd.head, CI)
    assert found is not None
    assert found.state == "pending"


def test_deliver_takes_back_what_main_outdated(context: FakeContext) -> None:
    """And only that."""
    pull = judged(context, "late-v2", model_version("v2"))
    card = judged(context, "card", {"README.md": "# read me\n"})
    before, text = context.tip, context.repository.tree("main").read(POLICY).decode()
    context.change_main({POLICY: text + "# now\n"}, "policy")
    deliver(context, before, silent)
    assert (verdict(context, pull), verdict(context, card)) == ("pending", "success")


def test_two_changes_that_are_good_alone_are_judged_together(context: FakeContext) -> None:
    """A new version that uses what main has removed meanwhile is refused, though its branch still has it."""
    pull = context.propose("late-v2", model_version("v2"))
    gone = {path: None for path in context.repository.tree("main").files() if path.startswith("models/late/v1/")}
    context.change_main({**gone, SET: None, "features/delays/v1/expectations.yaml": None}, "delays go")
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert any("delays/v1" in problem for problem in report.problems)


def test_inputs_that_main_changed_since_the_branch_began_have_to_be_merged_in(context: FakeContext) -> None:
    """A run on the branch would be the record of what is never on main; the message says what to do."""
    pull = context.propose("late-v2", model_version("v2"))
    context.change_main({SET: DELAYS.replace("[count, mean]", "[count, mean, max]")}, "delays can do more")
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "models/late/v2/model.yaml: main changed what this version is made of" in report.problems[0]
    assert context.orchestrator.trained == []


def test_a_conflict_is_said_by_the_check(context: FakeContext) -> None:
    """With the file, before anything is trained."""
    pull = context.propose("card", {"models/late/v1/README.md": "# mine\n"})
    context.change_main({"models/late/v1/README.md": "# theirs\n"}, "theirs")
    report = check_pull_request(context, pull.number, silent)
    assert report.state == "invalid"
    assert "models/late/v1/README.md" in report.problems[0]


def test_two_moves_of_one_release_do_not_mix(context: FakeContext) -> None:
    """Whatever lines they touch: the first one that is merged outdates the other."""
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    promotion = promote(context.acting("ada"), "late", "prod")
    assert promotion is not None
    pull = promotion.pull_request
    assert check_pull_request(context, pull.number, silent).state == "passed"
    review(context.acting("grace"), pull.number, approved=True)
    text = context.repository.tree(pull.head).read("environments/prod/late.yaml").decode()
    context.change_main({"environments/prod/late.yaml": text.replace("soak: 8s", "soak: 9s")}, "by hand")
    with pytest.raises((InputError, RetryError)):
        merge_pull_request(context.acting("grace"), pull.number)
    assert verdict(context, pull) == "pending"


def test_a_step_of_the_canary_before_outdates_no_promotion(context: FakeContext) -> None:
    """What staging serves it serves still; only when it is given up there is the promotion judged again."""
    text = context.repository.tree("main").read(STAGING).decode()
    slow = text.replace("steps: [100]", "steps: [10, 100]").replace("minimum_requests: 0", "minimum_requests: 1")
    context.change_main({STAGING: slow}, "staging has a canary, too")
    for version in ("v2", "v3"):
        merge_version(context, version)
        promote_and_merge(context, "staging", version)
    assert context.split("staging") == {"v2": 90, "v3": 10}
    promotion = promote(context.acting("ada"), "late", "prod", "v2")
    assert promotion is not None
    pull = promotion.pull_request
    check_pull_request(context, pull.number, silent)
    judged_on = context.tip
    assert pass_canary(context, passes=1, environment="staging") == ["advanced"]
    assert context.split("staging") == {"v2": 0, "v3": 100}
    assert outdated_by(Proposal(context, pull, context.main()), judged_on) == []
    back = context.repository.tree(judged_on).read("environments/staging/late.yaml").decode()
    context.change_main({"environments/staging/late.yaml": back}, "back")
    elsewhere = context.change_main({"environments/staging/late.yaml": None}, "gone from staging")
    assert context.tip == elsewhere
    assert outdated_by(Proposal(context, pull, context.main()), judged_on) == ["environments/staging/late.yaml"]


def test_modes_and_submodules_are_changes(tmp_path: Path) -> None:
    """What no listing of contents shows is in the plan all the same."""
    bare = GitRepository(begin_repository(tmp_path / "forge.git"))
    bare.commit("main", "main", encoded(repository()), "first", "ada")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(bare.git.directory), "clone")
    git(clone, "checkout", "--quiet", "-b", "topic")
    git(clone, "update-index", "--chmod=+x", "models/late/v1/model.py")
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor")
    git(clone, "commit", "--quiet", "-m", "modes")
    git(clone, "push", "--quiet", "origin", "topic")
    forge = LocalForge(bare, SystemClock(), "ada")
    pull = forge.open("topic", "main", "modes", "")
    context = cast(Context, SimpleNamespace(repository=bare, engine=MemoryEngine(), forge=forge))
    proposal = Proposal(context, pull, Mainline(bare).at())
    assert proposal.paths == ["models/late/v1/model.py", "vendor"]
    assert [file.path for file in proposal.plan.files] == proposal.paths
    assert proposal.plan.models == []
    assert subprocess.run(["git", "-C", str(bare.git.directory), "fsck"], check=False).returncode == 0
