"""What every forge must do with pull requests and their texts, on the local one and on the double in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bighead_ci.documents.forge import PullRequest
from bighead_ci.errors import InputError, RetryError
from fakes.forge_bench import FORGES, Bench, forge_bench

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


@pytest.fixture(params=FORGES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return forge_bench(request.param, tmp_path)


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
