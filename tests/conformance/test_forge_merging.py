"""What every forge must hold before and at a merge: checks, reviews, protection; on the local one and on the double."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.documents.forge import CheckState
from bighead_ci.errors import InputError, RetryError
from fakes.forge_bench import FORGES, Bench, forge_bench

CHECK = "bighead/ci"


@pytest.fixture(params=FORGES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return forge_bench(request.param, tmp_path)


def test_open_needs_something_to_merge(bench: Bench) -> None:
    """A branch that is missing, or has nothing new, or is the target itself, is refused."""
    bench.repository.commit("empty", bench.repository.resolve("main"), {}, "m", "ada")
    bench.push("main", b="1")
    with pytest.raises(InputError, match="absent"):
        bench.forge.open("absent", "main", "t", "b")
    with pytest.raises(InputError, match="nothing"):
        bench.forge.open("main", "main", "t", "b")
    bench.push("topic", c="1")
    with pytest.raises(InputError, match="absent"):
        bench.forge.open("topic", "absent", "t", "b")


def test_checks_keep_the_newest_of_a_name(bench: Bench) -> None:
    """A check that runs again replaces its result; other checks stay; an unknown commit is refused."""
    pull = bench.opened()
    said: list[tuple[str, CheckState]] = [(CHECK, "pending"), ("bighead/gate/m/v1/auc", "failure"), (CHECK, "success")]
    for name, state in said:
        bench.forge.set_check(pull.head, name, state, "d", external_id=state)
    found = [(check.name, check.state, check.external_id) for check in bench.forge.checks(pull.head)]
    assert found == [(CHECK, "success", "success"), ("bighead/gate/m/v1/auc", "failure", "failure")]
    with pytest.raises(InputError):
        bench.forge.set_check("0" * 40, CHECK, "success", "d")


def test_a_check_belongs_to_its_commit(bench: Bench) -> None:
    """Whichever pull requests have that commit for a head, and whether any has."""
    commit = bench.push("main", a="1")
    bench.forge.set_check(commit, CHECK, "success", "ok")
    assert bench.checks("main") == {CHECK: "success"}
    bench.push("main", a="2")
    assert bench.checks("main") == {}
    assert bench.checks(commit) == {CHECK: "success"}


def test_a_long_description_is_cut(bench: Bench) -> None:
    """To what any forge keeps, on one line."""
    head = bench.opened().head
    bench.forge.set_check(head, CHECK, "failure", "two\nlines " + "x" * 200)
    (check,) = bench.forge.checks(head)
    assert (len(check.description), check.description[:11], check.description[-1]) == (140, "two lines x", "…")


def test_later_refusal_counts(bench: Bench) -> None:
    """The last word of each person on the head counts."""
    number = bench.opened().number
    for person in ("grace", "eve"):
        bench.acting(person).review(number, approved=True)
    assert bench.forge.get(number).approvals() == ["eve", "grace"]
    bench.grace.review(number, approved=False)
    assert bench.forge.get(number).approvals() == ["eve"]


def test_contributors_are_those_with_a_commit_on_it(bench: Bench) -> None:
    """Whoever made what it brings; not those whose commits came from the target."""
    pull = bench.opened()
    bench.repository.commit("topic", pull.head, {"b": b"1"}, "more", "eve <eve@example.invalid>")
    bench.repository.commit("main", "main", {"c": b"1"}, "elsewhere", "grace")
    assert bench.forge.contributors(pull.number) == {"ada", "eve"}


@pytest.mark.parametrize("again", ["Grace", " GRACE  <grace@example.invalid>", "gra\u200bce", "\uff27race"])
def test_a_person_is_one_however_the_name_is_written(bench: Bench, again: str) -> None:
    """Case, spaces, an address, forms of letters and signs that show nothing make no second person."""
    number = bench.opened().number
    bench.grace.review(number, approved=True)
    bench.acting(again).review(number, approved=True)
    assert bench.forge.get(number).approvals() == ["grace"]
    bench.acting(again).review(number, approved=False)
    assert bench.forge.get(number).approvals() == []


@pytest.mark.parametrize("author", ["Ada", "ada <ada@example.invalid>", "A\u0301da".replace("\u0301", "\u2060")])
def test_nobody_reviews_their_own_under_another_spelling(bench: Bench, author: str) -> None:
    """`Mallory` is `mallory`."""
    with pytest.raises(InputError, match="somebody else"):
        bench.acting(author).review(bench.opened().number, approved=True)


@pytest.mark.parametrize("approved", [True, False])
def test_nobody_reviews_their_own(bench: Bench, approved: bool) -> None:
    """As on other forges."""
    number = bench.opened().number
    with pytest.raises(InputError, match="somebody else"):
        bench.forge.review(number, approved=approved)
    assert bench.forge.get(number).reviews == []


def test_merge_brings_the_files_and_history(bench: Bench) -> None:
    """A merge is a commit on the target with both sides as parents and both sides' files."""
    pull = bench.opened(a="1")
    main = bench.push("main", b="2")
    merged = bench.grace.merge(pull.number, pull.head)
    top = bench.repository.log("main", limit=1)[0]
    assert (top.id, top.parents, top.author) == (merged.merge_commit, [main, pull.head], "grace")
    assert top.subject.endswith("(#1)")
    assert sorted(bench.repository.tree("main").files()) == ["a", "b"]
    assert bench.forge.get(pull.number).summary == merged
    assert bench.forge.find("open") == []
    assert bench.forge.find("merged") == [merged]


def test_merging_twice_is_merging_once(bench: Bench) -> None:
    """The second call returns the merged pull request and makes no commit."""
    pull = bench.opened()
    first = bench.grace.merge(pull.number, pull.head)
    assert bench.grace.merge(pull.number, pull.head) == first
    assert bench.repository.resolve("main") == first.merge_commit


def test_conflicts_name_the_files_and_leave_all_as_it_was(bench: Bench) -> None:
    """A merge that git cannot make is refused with every file concerned; nothing moves."""
    bench.push("main", a="0", b="0", c="0")
    pull = bench.opened(a="1", b="1", c="1")
    main = bench.push("main", a="2", b="2")
    with pytest.raises(InputError, match="does not merge") as caught:
        bench.grace.merge(pull.number, pull.head)
    assert [problem.file for problem in caught.value.problems] == ["a", "b"]
    assert bench.repository.resolve("main") == main
    assert bench.forge.get(pull.number).state == "open"


def test_stale_head_is_refused(bench: Bench) -> None:
    """What was looked at is what gets merged: a push in between is a lost race."""
    pull = bench.opened()
    bench.push("topic", a="2")
    with pytest.raises(RetryError, match="look at it again"):
        bench.grace.merge(pull.number, pull.head)
    assert bench.forge.get(pull.number).state == "open"


def test_a_target_that_moved_is_refused_if_asked(bench: Bench) -> None:
    """Whoever judged the merge onto one commit gets it onto that one or not at all."""
    judged = bench.repository.resolve("main")
    pull = bench.opened(a="1")
    moved = bench.push("main", b="1")
    with pytest.raises(RetryError, match="look at it again"):
        bench.grace.merge(pull.number, pull.head, onto=judged)
    assert bench.repository.resolve("main") == moved
    merged = bench.grace.merge(pull.number, pull.head, onto=moved)
    assert bench.grace.merge(pull.number, pull.head, onto=judged) == merged


def test_closed_cannot_be_merged_or_reviewed(bench: Bench) -> None:
    """Closing again is fine; what is merged cannot be closed."""
    pull = bench.opened()
    closed = bench.forge.close(pull.number)
    assert (bench.forge.close(pull.number), closed.state) == (closed, "closed")
    with pytest.raises(InputError, match="closed"):
        bench.grace.merge(pull.number, pull.head)
    with pytest.raises(InputError, match="closed"):
        bench.grace.review(pull.number, approved=True)
    bench.forge.comment(pull.number, "closed", "superseded")
    other = bench.opened("other", b="1")
    bench.grace.merge(other.number, other.head)
    with pytest.raises(InputError, match="merged"):
        bench.forge.close(other.number)


def test_closed_keeps_the_head_it_had(bench: Bench) -> None:
    """Pushes after closing or merging do not change what the pull request was."""
    first, second = bench.opened("one", a="1"), bench.opened("two", b="1")
    bench.forge.close(first.number)
    bench.grace.merge(second.number, second.head)
    bench.push("one", a="2")
    bench.push("two", b="2")
    assert [p.head for p in bench.forge.find()] == [second.head, first.head]


def test_protection_says_everything_that_is_missing(bench: Bench) -> None:
    """Required checks hold a merge back, all named at once, until they have succeeded on the head."""
    gate = "bighead/gate/m/v1/auc"
    forge = bench.protected("ada", (CHECK, gate))
    pull = bench.opened()
    forge.set_check(pull.head, gate, "failure", "0.61 < 0.7")
    with pytest.raises(InputError) as caught:
        forge.merge(pull.number, pull.head)
    assert {problem.subject for problem in caught.value.problems} == {CHECK, gate}
    assert "0.61 < 0.7" in str(caught.value)
    for name in (CHECK, gate):
        forge.set_check(pull.head, name, "success", "ok")
    assert forge.merge(pull.number, pull.head).state == "merged"


def test_deleted_branch_leaves_it_readable(bench: Bench) -> None:
    """A pull request whose branch is gone keeps its head, can be commented on, and merged."""
    pull = bench.opened()
    bench.repository.delete_branch("topic")
    assert bench.forge.get(pull.number).summary == pull
    bench.forge.comment(pull.number, "report", "text")
    assert bench.grace.merge(pull.number, pull.head).state == "merged"


def test_commits_that_reach_the_target_otherwise_count_as_merged(bench: Bench) -> None:
    """A head that somebody pushed to the target is merged, by the commit that first contained it."""
    pull = bench.opened("topic", a="1")
    on_top = bench.repository.commit("main", pull.head, {"b": b"2"}, "pushed", "eve")
    found = bench.forge.get(pull.number)
    assert (found.state, found.merge_commit, found.head) == ("merged", pull.head, pull.head)
    assert bench.grace.merge(pull.number, pull.head) == found.summary
    assert bench.repository.resolve("main") == on_top


def test_pull_request_is_usable_after_supersession(bench: Bench) -> None:
    """A release branch moved to a newer base keeps one pull request, whose merge has the newer files."""
    first = bench.opened("release/prod/m", f="v1")
    main = bench.push("main", other="1")
    newer = bench.repository.commit("release/prod/m", main, {"f": b"v2"}, "v2", "bot")
    again = bench.forge.open("release/prod/m", "main", "v2", "")
    assert (again.number, again.head) == (first.number, newer)
    bench.grace.merge(again.number, newer)
    assert bench.repository.tree("main").read("f") == b"v2"
