"""What every forge must do, on the local one and on the double in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bighead_ci.documents.forge import CheckState, PullRequest, PullRequestSummary
from bighead_ci.errors import InputError, RetryError
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.process import RefUpdate
from bighead_ci.git.repository import GitRepository
from bighead_ci.ports.forge import Forge
from bighead_ci.ports.repository import Repository
from fakes.forge import MemoryForge, MemoryRepository
from fakes.repositories import begin_repository

CHECK = "bighead/ci"
HOSTILE = [
    "",
    "\n",
    "no newline at the end",
    "\r\nwindows\r\n",
    "tabs\t, nul \0, escape \x1b[31m, bell \a",
    "<!-- bighead --><script>alert(1)</script> @everyone ${{ secrets.X }}",
    "commit refs/heads/main\ndata 3\nabc\nfrom 0000\ndone\n",
    "日本語 🐘 \u202e\ufeff",
    "x" * 65_536,
]


class Bench(NamedTuple):
    """Forges on one repository, for whoever acts, with a target branch that is protected or not."""

    acting: Callable[[str], Forge]
    repository: Repository
    protected: Callable[[str, tuple[str, ...]], Forge]
    damage: Callable[[int], None]
    """Make a pull request unreadable."""

    @property
    def forge(self) -> Forge:
        """As ada, who opens."""
        return self.acting("ada")

    @property
    def grace(self) -> Forge:
        """As grace, who reviews and merges."""
        return self.acting("grace")

    def push(self, branch: str, **files: str) -> str:
        """Commit to a branch on top of it, or of main where it is new."""
        try:
            parent = self.repository.resolve(branch)
        except InputError:
            parent = self.repository.resolve("main")
        changes = {name: text.encode() for name, text in files.items()}
        return self.repository.commit(branch, parent, changes, f"change {branch}", "ada")

    def opened(self, branch: str = "topic", **files: str) -> PullRequestSummary:
        """A branch with a change, and its pull request."""
        self.push(branch, **(files or {"a": branch}))
        return self.forge.open(branch, "main", f"Ship {branch}", "Body")

    def checks(self, commit: str) -> dict[str, str]:
        """Name → state."""
        return {check.name: check.state for check in self.forge.checks(commit)}


class Ticking:
    """A clock that moves a second a look."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@pytest.fixture(params=["local", "memory"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    clock = Ticking()
    if request.param == "memory":
        memory = MemoryRepository(clock)
        double = MemoryForge(memory, clock)

        def protect_double(identity: str, checks: tuple[str, ...]) -> Forge:
            double.required_checks = checks
            return double.acting(identity)

        return Bench(double.acting, memory, protect_double, lambda number: double.damaged.update({number: "bad"}))
    repository = GitRepository(begin_repository(tmp_path / "forge.git"), clock)

    def damage(number: int) -> None:
        ref = f"refs/bighead/pulls/{number}"
        version = repository.refs(ref)[ref]
        commit = repository.write_commit([version], {"pull.json": b"{"}, "damage", "eve")
        repository.git.update_refs([RefUpdate(ref, commit, version)])

    return Bench(
        lambda identity: LocalForge(repository, clock, identity),
        repository,
        lambda identity, checks: LocalForge(repository, clock, identity, checks),
        damage,
    )


def test_open_and_get_back(bench: Bench) -> None:
    """An opened pull request reads back equal, with the branch's commit as head and whoever opened it as author."""
    head = bench.push("topic", a="1")
    pull = bench.forge.open("topic", "main", "Ship it", "Body", ("bighead/release", "x"))
    whole = bench.forge.get(pull.number)
    assert (pull, whole.body) == (whole.summary, "Body")
    assert (pull.number, pull.state, pull.head, pull.labels) == (1, "open", head, ["bighead/release", "x"])
    assert (pull.author, bench.forge.identity) == ("ada", "ada")
    assert str(pull.number) in pull.url


def test_open_again_updates_the_one_that_is_open(bench: Bench) -> None:
    """The same branches have one open pull request; opening again gives it the new text and labels."""
    first = bench.opened()
    again = bench.acting("eve").open("topic", "main", "New title", "New body", ("label",))
    assert (again.number, again.title, again.labels) == (first.number, "New title", ["label"])
    assert (again.author, bench.forge.get(again.number).body) == ("ada", "New body")
    assert len(bench.forge.find()) == 1


def test_open_after_close_is_a_new_one(bench: Bench) -> None:
    """A closed pull request stays closed; its branch can be proposed anew."""
    first = bench.opened()
    bench.forge.close(first.number)
    second = bench.forge.open("topic", "main", "t", "b")
    assert second.number == first.number + 1
    assert bench.forge.get(first.number).state == "closed"


def test_open_for_a_head_that_was_left_changes_nothing(bench: Bench) -> None:
    """Text about one commit never comes to stand over another: not on a new pull request, nor on an open one."""
    first = bench.push("topic", a="1")
    second = bench.push("topic", a="2")
    with pytest.raises(RetryError, match="topic"):
        bench.forge.open("topic", "main", "About the first", "b", head=first)
    assert bench.forge.find() == []
    pull = bench.forge.open("topic", "main", "About the second", "b", head=second)
    assert pull.head == second
    bench.push("topic", a="3")
    with pytest.raises(RetryError, match="topic"):
        bench.forge.open("topic", "main", "About the second again", "b", ("label",), head=second)
    now = bench.forge.get(pull.number)
    assert (now.title, now.labels) == ("About the second", [])


def test_labels_can_be_changed(bench: Bench) -> None:
    """All of them at once; title and body stay."""
    pull = bench.opened()
    changed = bench.forge.update(pull.number, labels=("a", "b"))
    assert changed == pull.model_copy(update={"labels": ["a", "b"]})
    assert bench.forge.get(pull.number).summary == changed
    assert bench.forge.get(pull.number).body == "Body"


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


@pytest.mark.parametrize("name", ["-x", "--upload-pack=x", "a b", "", "a..b", "a\nb"])
def test_bad_branch_names_are_refused(bench: Bench, name: str) -> None:
    """A name that a command line would misread is refused in words."""
    with pytest.raises(InputError, match="allowed"):
        bench.forge.open(name, "main", "t", "b")


@pytest.mark.parametrize("name", ["promote/prod/flight_delay", "ünï-日本", "it's", "a$(x)", "#3"])
def test_odd_branch_names_go_all_the_way(bench: Bench, name: str) -> None:
    """A branch of any name that git allows can be opened, found and merged."""
    pull = bench.opened(name, a="1")
    assert bench.forge.find("open")[0].source == name
    merged = bench.grace.merge(pull.number, pull.head)
    assert bench.repository.log("main", limit=1)[0].subject.endswith("(#1)")
    assert merged.state == "merged"


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "esc\x1b[31m", "\ud800"])
def test_bad_titles_are_refused(bench: Bench, title: str) -> None:
    """A title is one line of text."""
    bench.push("topic", a="1")
    with pytest.raises(InputError):
        bench.forge.open("topic", "main", title, "b")
    assert bench.forge.find() == []


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_kept(bench: Bench, body: str) -> None:
    """Bodies and comments come back character for character, whatever they contain."""
    bench.push("topic", a="1")
    number = bench.forge.open("topic", "main", "t", body).number
    bench.forge.comment(number, "report", body)
    pull = bench.forge.get(number)
    comment = pull.comment("report")
    assert comment is not None
    assert (pull.body, comment.body) == (body, body)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"])), marker=st.from_regex(r"[!-~]{1,30}", fullmatch=True))
def test_any_text_round_trips(bench: Bench, text: str, marker: str) -> None:
    """Any text under any printable marker is kept exactly, beside all comments before it."""
    pull = bench.forge.get(1 if bench.forge.find() else bench.opened().number)
    others = [c for c in pull.comments if c.marker != marker]
    bench.forge.comment(pull.number, marker, text)
    after = bench.forge.get(pull.number)
    comment = after.comment(marker)
    assert comment is not None
    assert comment.body == text
    assert [c for c in after.comments if c.marker != marker] == others


def test_head_follows_the_branch(bench: Bench) -> None:
    """A push to the branch moves the head; approvals and checks of the old head no longer count."""
    pull = bench.opened()
    bench.grace.review(pull.number, approved=True)
    bench.forge.set_check(pull.head, CHECK, "success", "ok")
    head = bench.push("topic", a="2")
    now = bench.forge.get(pull.number)
    assert now.head == head
    assert bench.checks(now.head) == {}
    assert bench.checks(pull.head) == {CHECK: "success"}
    assert now.approvals() == []
    assert bench.forge.find("open") == [now.summary]


def test_comment_is_updated_in_place(bench: Bench) -> None:
    """One comment a marker: a new text replaces the old one where it stands, and keeps its date."""
    number = bench.opened().number
    bench.forge.comment(number, "report", "one")
    bench.forge.comment(number, "analysis", "other")
    first = bench.forge.get(number).comment("report")
    bench.forge.comment(number, "report", "two")
    pull = bench.forge.get(number)
    report = pull.comment("report")
    assert first is not None
    assert report is not None
    assert [(c.marker, c.body) for c in pull.comments] == [("report", "two"), ("analysis", "other")]
    assert report.created_at == first.created_at < report.updated_at


def test_repeating_a_call_changes_nothing(bench: Bench) -> None:
    """A re-run that posts the same things leaves the pull request equal, dates included."""
    pull = bench.opened()

    def post() -> PullRequest:
        bench.forge.comment(pull.number, "report", "text")
        bench.forge.set_check(pull.head, CHECK, "success", "ok", "x")
        bench.grace.review(pull.number, approved=True)
        bench.forge.update(pull.number, body="new")
        return bench.forge.get(pull.number)

    assert post() == post()
    assert bench.checks(pull.head) == {CHECK: "success"}


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


def test_find_filters_and_pages(bench: Bench) -> None:
    """By state, label and branch, newest first, page by page."""
    for branch in ("one", "two", "three"):
        bench.push(branch, **{branch: "1"})
        bench.forge.open(branch, "main", branch, "", ("release",) if branch != "two" else ())
    bench.forge.close(1)

    def numbers(*filters: Any, **page: Any) -> list[int]:
        return [pull.number for pull in bench.forge.find(*filters, **page)]

    assert numbers() == [3, 2, 1]
    assert numbers("open") == [3, 2]
    assert numbers(label="release") == [3, 1]
    assert numbers("open", "release") == [3]
    assert numbers("open", source="two") == [2]
    assert numbers(label="absent") == numbers(source="absent") == []
    assert numbers(limit=2) == [3, 2]
    assert numbers(before=2) == [1]
    assert numbers("open", before=3, limit=1) == [2]


def test_one_that_cannot_be_read_is_passed_over(bench: Bench) -> None:
    """The others stay usable; what is wrong with it is said by those who ask."""
    for branch in ("one", "two"):
        bench.opened(branch)
    assert bench.forge.problems() == []
    bench.damage(1)
    assert [pull.number for pull in bench.forge.find()] == [2]
    (problem,) = bench.forge.problems()
    assert "1" in problem
    with pytest.raises(InputError, match="cannot be read"):
        bench.forge.get(1)
    assert bench.opened("three").number == 3


def test_one_that_cannot_be_read_is_mended(bench: Bench) -> None:
    """It is as it was before, and nothing else changed."""
    for branch in ("one", "two"):
        bench.opened(branch)
    bench.forge.comment(1, "report", "words")
    before = [bench.forge.get(number) for number in (1, 2)]
    assert bench.forge.repair() == []
    bench.damage(1)
    (line,) = bench.forge.repair()
    assert "1" in line
    assert [bench.forge.get(number) for number in (1, 2)] == before
    assert bench.forge.problems() == bench.forge.repair() == []


def test_unknown_numbers_are_input_errors(bench: Bench) -> None:
    """A number that was never given says so, in every call."""
    calls: list[Callable[[], object]] = [
        lambda: bench.forge.get(7),
        lambda: bench.forge.update(0, title="t"),
        lambda: bench.forge.merge(-1, "0" * 40),
        lambda: bench.forge.comment(7, "m", "b"),
    ]
    for call in calls:
        with pytest.raises(InputError, match="no pull request"):
            call()


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
