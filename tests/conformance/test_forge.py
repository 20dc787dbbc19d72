"""What every forge must do, on the local one and on the double in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bighead_ci.documents.forge import PullRequest
from bighead_ci.errors import InputError, RetryError
from bighead_ci.forge.local import LocalForge
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
    """A forge, the repository under it, and a way to protect the target branch."""

    forge: Forge
    repository: Repository
    protected: Callable[[tuple[str, ...], int], Forge]

    def push(self, branch: str, **files: str) -> str:
        """Commit to a branch on top of it, or of main where it is new."""
        try:
            parent = self.repository.resolve(branch)
        except InputError:
            parent = self.repository.resolve("main")
        changes = {name: text.encode() for name, text in files.items()}
        return self.repository.commit(branch, parent, changes, f"change {branch}", "ada")

    def opened(self, branch: str = "topic", **files: str) -> PullRequest:
        """A branch with a change, and its pull request."""
        self.push(branch, **(files or {"a": branch}))
        return self.forge.open(branch, "main", f"Ship {branch}", "Body", "ada")


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

        def protect_double(statuses: tuple[str, ...], approvals: int) -> Forge:
            double.required_statuses, double.required_approvals = statuses, approvals
            return double

        return Bench(double, memory, protect_double)
    repository = GitRepository(begin_repository(tmp_path / "forge.git"), clock)
    return Bench(
        LocalForge(repository, clock),
        repository,
        lambda statuses, approvals: LocalForge(repository, clock, statuses, lambda _: approvals),
    )


def test_open_and_get_back(bench: Bench) -> None:
    """An opened pull request reads back equal, with the branch's commit as head."""
    head = bench.push("topic", a="1")
    pull = bench.forge.open("topic", "main", "Ship it", "Body", "ada", ("bighead/release", "x"))
    assert pull == bench.forge.get(pull.number)
    assert (pull.number, pull.state, pull.head, pull.labels) == (1, "open", head, ["bighead/release", "x"])


def test_open_again_updates_the_one_that_is_open(bench: Bench) -> None:
    """The same branches have one open pull request; opening again gives it the new text and labels."""
    first = bench.opened()
    again = bench.forge.open("topic", "main", "New title", "New body", "eve", ("label",))
    assert (again.number, again.title, again.body, again.labels) == (first.number, "New title", "New body", ["label"])
    assert again.author == "ada"
    assert len(bench.forge.find()) == 1


def test_open_after_close_is_a_new_one(bench: Bench) -> None:
    """A closed pull request stays closed; its branch can be proposed anew."""
    first = bench.opened()
    bench.forge.close(first.number, "no")
    second = bench.forge.open("topic", "main", "t", "b", "ada")
    assert second.number == first.number + 1
    assert bench.forge.get(first.number).state == "closed"


def test_open_for_a_head_that_was_left_changes_nothing(bench: Bench) -> None:
    """Text about one commit never comes to stand over another: not on a new pull request, nor on an open one."""
    first = bench.push("topic", a="1")
    second = bench.push("topic", a="2")
    with pytest.raises(RetryError, match="topic"):
        bench.forge.open("topic", "main", "About the first", "b", "ada", head=first)
    assert bench.forge.find() == []
    pull = bench.forge.open("topic", "main", "About the second", "b", "ada", head=second)
    assert pull.head == second
    bench.push("topic", a="3")
    with pytest.raises(RetryError, match="topic"):
        bench.forge.open("topic", "main", "About the second again", "b", "ada", ("label",), head=second)
    now = bench.forge.get(pull.number)
    assert (now.title, now.labels) == ("About the second", [])


def test_labels_can_be_changed(bench: Bench) -> None:
    """All of them at once; title and body stay."""
    pull = bench.opened()
    changed = bench.forge.update(pull.number, labels=("a", "b"))
    assert (changed.labels, changed.title, changed.body) == (["a", "b"], pull.title, pull.body)
    assert bench.forge.get(pull.number) == changed


def test_open_needs_something_to_merge(bench: Bench) -> None:
    """A branch that is missing, or has nothing new, or is the target itself, is refused."""
    bench.repository.commit("empty", bench.repository.resolve("main"), {}, "m", "ada")
    bench.push("main", b="1")
    with pytest.raises(InputError, match="absent"):
        bench.forge.open("absent", "main", "t", "b", "ada")
    with pytest.raises(InputError, match="nothing"):
        bench.forge.open("main", "main", "t", "b", "ada")
    bench.push("topic", c="1")
    with pytest.raises(InputError, match="absent"):
        bench.forge.open("topic", "absent", "t", "b", "ada")


@pytest.mark.parametrize("name", ["-x", "--upload-pack=x", "a b", "", "a..b", "a\nb"])
def test_bad_branch_names_are_refused(bench: Bench, name: str) -> None:
    """A name that a command line would misread is refused in words."""
    with pytest.raises(InputError, match="allowed"):
        bench.forge.open(name, "main", "t", "b", "ada")


@pytest.mark.parametrize("name", ["promote/prod/flight_delay", "ünï-日本", "it's", "a$(x)", "#3"])
def test_odd_branch_names_go_all_the_way(bench: Bench, name: str) -> None:
    """A branch of any name that git allows can be opened, found and merged."""
    pull = bench.opened(name, a="1")
    assert bench.forge.find("open")[0].source == name
    merged = bench.forge.merge(pull.number, pull.head, "grace")
    assert bench.repository.log("main", limit=1)[0].subject.endswith("(#1)")
    assert merged.state == "merged"


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "esc\x1b[31m", "\ud800"])
def test_bad_titles_are_refused(bench: Bench, title: str) -> None:
    """A title is one line of text."""
    bench.push("topic", a="1")
    with pytest.raises(InputError):
        bench.forge.open("topic", "main", title, "b", "ada")
    assert bench.forge.find() == []


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies_are_kept(bench: Bench, body: str) -> None:
    """Bodies and comments come back character for character, whatever they contain."""
    bench.push("topic", a="1")
    number = bench.forge.open("topic", "main", "t", body, "ada").number
    bench.forge.comment(number, "report", body, "bot")
    pull = bench.forge.get(number)
    comment = pull.comment("report")
    assert comment is not None
    assert (pull.body, comment.body) == (body, body)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"])), marker=st.from_regex(r"[!-~]{1,30}", fullmatch=True))
def test_any_text_round_trips(bench: Bench, text: str, marker: str) -> None:
    """Any text under any printable marker is kept exactly, beside all comments before it."""
    pull = bench.forge.get(1) if bench.forge.find() else bench.opened()
    others = [c for c in pull.comments if c.marker != marker]
    bench.forge.comment(pull.number, marker, text, "bot")
    after = bench.forge.get(pull.number)
    comment = after.comment(marker)
    assert comment is not None
    assert comment.body == text
    assert [c for c in after.comments if c.marker != marker] == others


def test_head_follows_the_branch(bench: Bench) -> None:
    """A push to the branch moves the head; approvals and checks of the old head no longer count."""
    pull = bench.opened()
    bench.forge.review(pull.number, "grace", approved=True)
    bench.forge.set_status(pull.number, CHECK, "success", "ok", pull.head)
    head = bench.push("topic", a="2")
    now = bench.forge.get(pull.number)
    assert now.head == head
    assert now.status(CHECK) is None
    assert now.approvals() == []
    assert bench.forge.find("open") == [now]


def test_comment_is_updated_in_place(bench: Bench) -> None:
    """One comment a marker: a new text replaces the old one where it stands, and keeps its date."""
    number = bench.opened().number
    bench.forge.comment(number, "report", "one", "bot")
    bench.forge.comment(number, "analysis", "other", "bot")
    first = bench.forge.get(number).comment("report")
    bench.forge.comment(number, "report", "two", "bot")
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
        bench.forge.comment(pull.number, "report", "text", "bot")
        bench.forge.set_status(pull.number, CHECK, "success", "ok", pull.head)
        bench.forge.review(pull.number, "grace", approved=True)
        return bench.forge.update(pull.number, body="new")

    assert post() == post() == bench.forge.get(pull.number)


def test_statuses_keep_the_newest_of_a_name(bench: Bench) -> None:
    """A check that runs again replaces its result; other checks stay; an unknown commit is refused."""
    pull = bench.opened()
    for context, state in ((CHECK, "pending"), ("bighead/gate/auc", "failure"), (CHECK, "success")):
        bench.forge.set_status(pull.number, context, state, "d", pull.head)  # type: ignore[arg-type] # literals in a tuple
    statuses = {s.context: s.state for s in bench.forge.get(pull.number).statuses}
    assert statuses == {CHECK: "success", "bighead/gate/auc": "failure"}
    with pytest.raises(InputError):
        bench.forge.set_status(pull.number, CHECK, "success", "d", "0" * 40)


def test_later_refusal_counts(bench: Bench) -> None:
    """The last word of each person on the head counts, and the author's own never."""
    number = bench.opened().number
    bench.forge.review(number, "grace", approved=True)
    bench.forge.review(number, "ada", approved=True)
    assert bench.forge.review(number, "eve", approved=True).approvals() == ["eve", "grace"]
    assert bench.forge.review(number, "grace", approved=False).approvals() == ["eve"]


def test_merge_brings_the_files_and_history(bench: Bench) -> None:
    """A merge is a commit on the target with both sides as parents and both sides' files."""
    pull = bench.opened(a="1")
    main = bench.push("main", b="2")
    merged = bench.forge.merge(pull.number, pull.head, "grace")
    top = bench.repository.log("main", limit=1)[0]
    assert (top.id, top.parents, top.author) == (merged.merge_commit, [main, pull.head], "grace")
    assert top.subject.endswith("(#1)")
    assert sorted(bench.repository.tree("main").files()) == ["a", "b"]
    assert bench.forge.get(pull.number) == merged
    assert bench.forge.find("open") == []
    assert bench.forge.find("merged") == [merged]


def test_merging_twice_is_merging_once(bench: Bench) -> None:
    """The second call returns the merged pull request and makes no commit."""
    pull = bench.opened()
    first = bench.forge.merge(pull.number, pull.head, "grace")
    assert bench.forge.merge(pull.number, pull.head, "eve") == first
    assert bench.repository.resolve("main") == first.merge_commit


def test_conflicts_name_the_files_and_leave_all_as_it_was(bench: Bench) -> None:
    """A merge that git cannot make is refused with every file concerned; nothing moves."""
    bench.push("main", a="0", b="0", c="0")
    pull = bench.opened(a="1", b="1", c="1")
    main = bench.push("main", a="2", b="2")
    with pytest.raises(InputError, match="does not merge") as caught:
        bench.forge.merge(pull.number, pull.head, "grace")
    assert [problem.file for problem in caught.value.problems] == ["a", "b"]
    assert bench.repository.resolve("main") == main
    assert bench.forge.get(pull.number).state == "open"


def test_releases_do_not_merge_line_by_line(bench: Bench) -> None:
    """Two changes of one release file conflict even in distant lines: the mixture is a release that nobody judged."""
    lines = [f"line{n}\n" for n in range(40)]
    path = "environments/prod/m.yaml"
    bench.push("main", **{path: "".join(lines)})
    pull = bench.opened("topic", **{path: "".join(["first\n", *lines[1:]])})
    bench.push("main", **{path: "".join([*lines[:-1], "last\n"])})
    with pytest.raises(InputError, match="does not merge") as caught:
        bench.forge.merge(pull.number, pull.head, "grace")
    assert [problem.file for problem in caught.value.problems] == [path]
    same = bench.opened("same", **{path: "".join([*lines[:-1], "last\n"]), "other": "1"})
    assert bench.forge.merge(same.number, same.head, "grace").state == "merged"


def test_stale_head_is_refused(bench: Bench) -> None:
    """What was looked at is what gets merged: a push in between is a lost race."""
    pull = bench.opened()
    bench.push("topic", a="2")
    with pytest.raises(RetryError, match="look at it again"):
        bench.forge.merge(pull.number, pull.head, "grace")
    assert bench.forge.get(pull.number).state == "open"


def test_closed_cannot_be_merged_or_reviewed(bench: Bench) -> None:
    """A closed pull request says why it is closed; closing again is fine; a merged one cannot be closed."""
    pull = bench.opened()
    closed = bench.forge.close(pull.number, "superseded")
    assert bench.forge.close(pull.number, "again") == closed
    with pytest.raises(InputError, match="closed: superseded"):
        bench.forge.merge(pull.number, pull.head, "grace")
    with pytest.raises(InputError, match="closed"):
        bench.forge.review(pull.number, "grace", approved=True)
    other = bench.opened("other", b="1")
    bench.forge.merge(other.number, other.head, "grace")
    with pytest.raises(InputError, match="merged"):
        bench.forge.close(other.number, "no")


def test_closed_keeps_the_head_it_had(bench: Bench) -> None:
    """Pushes after closing or merging do not change what the pull request was."""
    first, second = bench.opened("one", a="1"), bench.opened("two", b="1")
    bench.forge.close(first.number, "no")
    bench.forge.merge(second.number, second.head, "grace")
    bench.push("one", a="2")
    bench.push("two", b="2")
    assert [p.head for p in bench.forge.find()] == [first.head, second.head]


def test_protection_says_everything_that_is_missing(bench: Bench) -> None:
    """Required checks and approvals hold a merge back, all named at once, until they are there for the head."""
    forge = bench.protected((CHECK, "bighead/gate/auc"), 1)
    pull = bench.opened()
    forge.set_status(pull.number, "bighead/gate/auc", "failure", "0.61 < 0.7", pull.head)
    forge.review(pull.number, "ada", approved=True)
    with pytest.raises(InputError) as caught:
        forge.merge(pull.number, pull.head, "ada")
    assert {problem.subject for problem in caught.value.problems} == {CHECK, "bighead/gate/auc", "approvals"}
    assert "0.61 < 0.7" in str(caught.value)
    for context in (CHECK, "bighead/gate/auc"):
        forge.set_status(pull.number, context, "success", "ok", pull.head)
    forge.review(pull.number, "grace", approved=True)
    assert forge.merge(pull.number, pull.head, "ada").state == "merged"


def test_deleted_branch_leaves_it_readable(bench: Bench) -> None:
    """A pull request whose branch is gone keeps its head, can be commented on, and merged."""
    pull = bench.opened()
    bench.repository.delete_branch("topic")
    assert bench.forge.get(pull.number) == pull
    bench.forge.comment(pull.number, "report", "text", "bot")
    assert bench.forge.merge(pull.number, pull.head, "grace").state == "merged"


def test_find_filters_by_state_and_label(bench: Bench) -> None:
    """Pull requests are found by state and by label, oldest first."""
    for branch in ("one", "two", "three"):
        bench.push(branch, **{branch: "1"})
        bench.forge.open(branch, "main", branch, "", "ada", ("release",) if branch != "two" else ())
    bench.forge.close(1, "no")
    assert [p.number for p in bench.forge.find()] == [1, 2, 3]
    assert [p.number for p in bench.forge.find("open")] == [2, 3]
    assert [p.number for p in bench.forge.find(label="release")] == [1, 3]
    assert [p.number for p in bench.forge.find("open", "release")] == [3]
    assert bench.forge.find(label="absent") == []


def test_unknown_numbers_are_input_errors(bench: Bench) -> None:
    """A number that was never given says so, in every call."""
    calls: list[Callable[[], PullRequest]] = [
        lambda: bench.forge.get(7),
        lambda: bench.forge.update(0, title="t"),
        lambda: bench.forge.merge(-1, "0" * 40, "ada"),
        lambda: bench.forge.comment(7, "m", "b", "ada"),
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
    assert bench.forge.merge(pull.number, pull.head, "grace") == found
    assert bench.repository.resolve("main") == on_top


def test_pull_request_is_usable_after_supersession(bench: Bench) -> None:
    """A release branch moved to a newer base keeps one pull request, whose merge has the newer files."""
    first = bench.opened("release/prod/m", f="v1")
    main = bench.push("main", other="1")
    newer = bench.repository.commit("release/prod/m", main, {"f": b"v2"}, "v2", "bot")
    again = bench.forge.open("release/prod/m", "main", "v2", "", "bot")
    assert (again.number, again.head) == (first.number, newer)
    bench.forge.merge(again.number, newer, "grace")
    assert bench.repository.tree("main").read("f") == b"v2"
