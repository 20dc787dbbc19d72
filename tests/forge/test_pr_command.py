"""`bighead pr` as a person in a clone uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from bighead_ci import wiring
from bighead_ci.cli.output import printable
from bighead_ci.cli.pr import pr_command
from bighead_ci.clocks import SystemClock
from bighead_ci.delivery.main import Mainline
from bighead_ci.documents.forge import CheckState
from bighead_ci.forge.local import LocalForge
from bighead_ci.git.repository import GitRepository
from bighead_ci.workspaces import finding
from bighead_ci.workspaces.layout import Workspace
from fakes.engine import MemoryEngine
from fakes.repositories import begin_repository, git


class Clone:
    """A clone of a bare repository, and the commands run in it as somebody."""

    def __init__(self, directory: Path, forge: LocalForge, become: Callable[[str], None]) -> None:
        self.directory = directory
        self.forge = forge
        self.become = become

    def change(self, branch: str, text: str = "1\n", message: str = "Change f") -> str:
        """A commit on a branch."""
        git(self.directory, "checkout", "--quiet", "-B", branch)
        (self.directory / "f").write_text(text)
        git(self.directory, "add", "f")
        git(self.directory, "commit", "--quiet", "-m", message)
        return git(self.directory, "rev-parse", "HEAD")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run `bighead pr` and return what it prints."""
        result = CliRunner().invoke(pr_command, list(arguments), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    def asks(self, *arguments: str) -> dict[str, Any]:
        """Run `bighead pr … --json`."""
        result = CliRunner().invoke(pr_command, [*arguments, "--json"], catch_exceptions=False)
        data: dict[str, Any] = json.loads(result.stdout)
        return data


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    bare = begin_repository(tmp_path / "forge.git")
    git(tmp_path, "clone", "--quiet", str(bare), "clone")
    repository = GitRepository(bare)
    forge = LocalForge(repository, SystemClock(), "bighead-bot")

    def context(identity: str = "bighead-bot") -> SimpleNamespace:
        return SimpleNamespace(
            forge=LocalForge(repository, SystemClock(), identity),
            repository=repository,
            main=Mainline(repository).at,
            engine=MemoryEngine(),
            clock=SystemClock(),
            workspace=Workspace(forge=bare, state=tmp_path / "state"),
        )

    monkeypatch.setattr(wiring, "context", context)

    def become(person: str) -> None:
        monkeypatch.setattr(finding, "identity", lambda: person)

    become("ada")
    monkeypatch.chdir(tmp_path / "clone")
    return Clone(tmp_path / "clone", forge, become)


def test_open_pushes_and_takes_the_commits_words(clone: Clone) -> None:
    """Opening pushes the branch; one commit gives title and body."""
    head = clone.change("topic", message="Faster model\n\nBecause of *this*.")
    data = clone.asks("open")
    assert (data["number"], data["head"], data["source"], data["target"]) == (1, head, "topic", "main")
    assert (data["title"], data["body"], data["author"]) == ("Faster model", "Because of *this*.", "ada")


def test_open_lists_several_commits(clone: Clone) -> None:
    """With several commits the branch names the pull request and the body lists them in order."""
    clone.change("faster_model", message="One")
    clone.change("faster_model", "2\n", message="Two")
    data = clone.asks("open")
    assert (data["title"], data["body"]) == ("faster model", "- One\n- Two")


def test_open_again_keeps_what_was_written(clone: Clone) -> None:
    """After another commit, opening again pushes it and keeps title and body unless new ones are given."""
    clone.change("topic")
    clone.asks("open", "--title", "My title", "--body", "My body")
    head = clone.change("topic", "2\n")
    data = clone.asks("open")
    assert (data["number"], data["head"], data["title"], data["body"]) == (1, head, "My title", "My body")
    assert "updated #1 Newer" in clone.run("open", "--title", "Newer")


def test_open_pushes_the_branch_though_a_tag_has_its_name(clone: Clone) -> None:
    """A name that is also a tag's, or begins like a ref, means the branch that one is on."""
    for branch in ("v2", "heads/v3"):
        head = clone.change(branch, branch)
        git(clone.directory, "tag", branch)
        assert (clone.asks("open")["source"], clone.asks("open")["head"]) == (branch, head)
        assert clone.forge.repository.branches()[branch] == head


def test_open_names_files_that_the_persons_git_leaves_out(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern of his own hides a file that the repository would keep; what the repository itself ignores is well."""
    (tmp_path / "ignored").write_text("*.lock\n")
    (tmp_path / "gitconfig").write_text(f"[core]\nexcludesFile = {tmp_path / 'ignored'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    clone.change("topic")
    (clone.directory / ".gitignore").write_text("*.parquet\n")
    for name in ("training.lock", "a.parquet"):
        (clone.directory / "models" / "late" / "v2").mkdir(parents=True, exist_ok=True)
        (clone.directory / "models" / "late" / "v2" / name).write_text("x")
    shown = clone.run("open")
    assert "models/late/v2/training.lock" in shown
    assert "git add --force" in shown
    assert "a.parquet" not in shown


def test_open_of_a_rewritten_branch_needs_force(clone: Clone) -> None:
    """A rewritten branch is not pushed over the old one unless asked to."""
    clone.change("topic")
    clone.run("open")
    git(clone.directory, "commit", "--quiet", "--amend", "-m", "Rewritten")
    assert "--force" in clone.run("open", code=2)
    head = git(clone.directory, "rev-parse", "HEAD")
    assert clone.asks("open", "--force")["head"] == head


def test_open_needs_a_branch(clone: Clone) -> None:
    """On the target itself, or on no branch, the command to make one is printed."""
    git(clone.directory, "checkout", "--quiet", "-B", "main")
    assert "git switch -c" in clone.run("open", code=2)
    git(clone.directory, "checkout", "--quiet", "--detach")
    assert "git switch -c" in clone.run("open", code=2)


def test_open_outside_a_clone_says_so(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is no clone is an input error."""
    monkeypatch.chdir(tmp_path)
    assert "not a git repository" in clone.run("open", code=2)


def test_open_without_origin_says_so(clone: Clone) -> None:
    """A clone without origin is an input error in git's words."""
    clone.change("topic")
    git(clone.directory, "remote", "remove", "origin")
    assert "origin" in clone.run("open", code=2)


def test_list_shows_open_ones_newest_first(clone: Clone) -> None:
    """The list has number, title, checks and approvals of open pull requests; `--state all` has every one."""
    assert clone.run("list").strip() == "no open pull requests"
    for name in ("one", "two"):
        clone.change(name, f"{name}\n", message=f"Change {name}")
        clone.run("open")
    clone.forge.set_check(clone.forge.get(2).head, "bighead/ci", "failure", "d")
    clone.run("close", "1", "--reason", "superseded")
    shown = clone.run("list")
    assert "#2" in shown
    assert "1 failure" in shown
    assert "#1" not in shown
    assert [p["number"] for p in clone.asks("list", "--state", "all")["pull_requests"]] == [2, 1]


def test_list_goes_page_by_page(clone: Clone) -> None:
    """As many as asked for, and those before a number."""
    for name in ("one", "two", "three"):
        clone.change(name, f"{name}\n", message=f"Change {name}")
        clone.run("open")
    assert [p["number"] for p in clone.asks("list", "--limit", "2")["pull_requests"]] == [3, 2]
    assert [p["number"] for p in clone.asks("list", "--before", "2")["pull_requests"]] == [1]


def test_list_names_what_cannot_be_read(clone: Clone) -> None:
    """A damaged pull request is named and does not keep the others from being listed."""
    clone.change("topic", message="Change topic")
    clone.run("open")
    git(clone.forge.repository.git.directory, "update-ref", "refs/bighead/pulls/7", "main")
    found = clone.asks("list")
    assert [p["number"] for p in found["pull_requests"]] == [1]
    assert "refs/bighead/pulls/7" in found["problems"][0]


def test_why_it_was_closed_is_a_comment(clone: Clone) -> None:
    """Which everybody can read."""
    clone.change("topic")
    clone.run("open")
    clone.run("close", "1", "--reason", "superseded")
    (comment,) = clone.asks("show", "1")["comments"]
    assert (comment["marker"], comment["body"]) == ("closed", "superseded")


def test_show_reads_well(clone: Clone) -> None:
    """The page has title, state, branches, checks, reviews, body and comments."""
    clone.change("topic", message="Faster model\n\nThe **body**.")
    clone.run("open")
    head = clone.forge.get(1).head
    clone.forge.set_check(head, "bighead/gate/auc", "success", "0.74 ≥ 0.70")
    clone.forge.comment(1, "report", "| metric | now |\n|---|---|\n| auc | 0.74 |\n")
    LocalForge(clone.forge.repository, clone.forge.clock, "grace").review(1, approved=True)
    shown = clone.run("show", "1")
    for part in (
        "#1 Faster model",
        "open",
        "topic",
        head[:12],
        "main",
        "0.74 ≥ 0.70",
        "grace approves",
        "The body.",
        "auc",
    ):
        assert part in shown
    assert "report by bighead-bot" in shown


def test_what_a_page_folds_has_its_heading_in_a_terminal(clone: Clone) -> None:
    """A folded section stands open under its summary, whatever characters that has."""
    clone.change("topic")
    clone.run("open")
    body = "Lead.\n\n<details><summary>Gates of a &lt;b&gt; *c* #1</summary>\n\nInside.\n\n</details>\n\nAfter."
    clone.forge.comment(1, "report", body)
    shown = [line.strip() for line in clone.run("show", "1").splitlines()]
    heading = next(index for index, line in enumerate(shown) if "Gates of a <b> *c* #1" in line)
    assert [line for line in shown[heading + 1 :] if line] == ["Inside.", "After."]
    assert not any("details" in line for line in shown)


def test_terminal_does_not_obey_what_data_says(clone: Clone) -> None:
    """Escape sequences and direction marks in bodies, comments and descriptions do not reach the terminal."""
    clone.change("topic")
    hostile = "a\x1b[2Jb\x9b31m\u202ec\r[red]d"
    clone.asks("open", "--body", hostile)
    clone.forge.comment(1, "report", hostile)
    clone.forge.set_check(clone.forge.get(1).head, "ci", "success", hostile)
    shown = clone.run("show", "1")
    assert not set("\x1b\x9b\u202e\r") & set(shown)
    assert "[red]d" in shown
    assert clone.asks("show", "1")["body"] == hostile
    assert printable("ok\n\tü 日本") == "ok\n\tü 日本"


def test_own_pull_requests_are_not_approved(clone: Clone) -> None:
    """The author cannot approve; another person can, and can take it back."""
    clone.change("topic")
    clone.run("open")
    assert "somebody else" in clone.run("approve", "1", code=2)
    clone.become("grace")
    assert clone.asks("approve", "1")["approvals"] == ["grace"]
    assert clone.asks("approve", "1", "--refuse")["approvals"] == []


def test_merge_lands_on_main(clone: Clone) -> None:
    """Merging says the commit; merging a head that is not the present one is a lost race."""
    first = clone.change("topic")
    clone.run("open")
    clone.change("topic", "2\n")
    clone.run("open")
    clone.become("grace")
    assert "look at it again" in clone.run("merge", "1", "--head", first[:12], code=75)
    shown = clone.run("merge", "1")
    assert f"merged #1 into main as {clone.forge.repository.resolve('main')[:12]}" in shown
    assert clone.asks("show", "1")["state"] == "merged"


@pytest.mark.parametrize(
    ("state", "code"), [("success", 0), ("failure", 1), ("error", 75), ("pending", 75), (None, 75)]
)
def test_wait_ends_with_the_exit_code_of_the_verdict(clone: Clone, state: CheckState | None, code: int) -> None:
    """Passed 0, refused 1, broken or not over in time 75, with what the check says."""
    head = clone.change("topic")
    clone.run("open")
    if state is not None:
        clone.forge.set_check(head, "bighead/ci", state, "in 3 s")
    shown = clone.run("wait", "1", "--timeout", "0", code=code)
    assert ("in 3 s" if state else "no check of it has begun") in shown
    assert "no runner watches this workspace" in shown


@pytest.mark.parametrize(("verb", "code"), [("merge", 0), ("close", 1)])
def test_wait_ends_when_a_pull_request_does(clone: Clone, verb: str, code: int) -> None:
    """Somebody merged it or closed it: there is nothing to wait for."""
    clone.change("topic")
    clone.run("open")
    clone.run(verb, "1")
    assert f"{verb}d" in clone.run("wait", "1", code=code)


def test_merge_waits_for_the_verdict(clone: Clone) -> None:
    """With `--wait` it waits first, no longer than it may."""
    head = clone.change("topic")
    clone.run("open")
    assert "waited long enough" in clone.run("merge", "1", "--wait", "--timeout", "0", code=75)
    clone.forge.set_check(head, "bighead/ci", "success", "passed")
    assert clone.asks("merge", "1", "--wait")["state"] == "merged"
    assert "--wait" in clone.run("merge", "1", "--timeout", "0", code=2)


def test_refused_merge_is_a_json_error(clone: Clone) -> None:
    """With `--json` a refusal lists what is missing."""
    clone.change("topic")
    clone.run("open")
    git(clone.forge.repository.git.directory, "config", "bighead.requiredCheck", "bighead/ci")
    data = clone.asks("merge", "1")
    assert data["kind"] == "InputError"
    assert [problem["subject"] for problem in data["problems"]] == ["bighead/ci"]


def test_diff_is_what_it_brings(clone: Clone) -> None:
    """The diff has only the pull request's own change, before and after it is merged, and applies."""
    clone.change("topic", "mine\n")
    clone.run("open")
    repository = clone.forge.repository
    repository.commit("main", repository.resolve("main"), {"other": b"x"}, "m", "eve")
    before = clone.run("diff", "1")
    assert "+mine" in before
    assert "other" not in before
    clone.run("merge", "1")
    assert clone.run("diff", "1") == clone.asks("diff", "1")["diff"] == before


def test_unknown_number_is_an_input_error(clone: Clone) -> None:
    """A number that does not exist ends with exit code 2 and says so."""
    for command in ("show", "approve", "wait", "merge", "close", "diff"):
        assert "no pull request #9" in clone.run(command, "9", code=2)
