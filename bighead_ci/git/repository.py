"""The git repository that is the source of truth, through the git command line."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bighead_ci.clocks import SystemClock
from bighead_ci.errors import InputError, Problem, RetryError
from bighead_ci.git.log import LOG_FORMAT, Logged, read_log
from bighead_ci.git.process import Git, RefUpdate, error_of, run_git
from bighead_ci.git.tree import GitTree
from bighead_ci.git.writer import write_commit
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.repository import Commit, FileChange
from bighead_ci.ports.tree import Tree

FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
WRITTEN_DATE = re.compile(rb"^((?:author|committer) .*>) \d+ [+-]\d{4}$", re.MULTILINE)

_ORDINARY, _ABSENT = "100644", "000000"
"""Modes of a path in git's listing."""
_PUSH = "push"
"""How a branch's log of moves calls what `git push` did."""


class GitRepository:
    """Implements `ports.repository.Repository` on a bare or ordinary repository.

    In an ordinary repository only refs and objects are touched, never the work tree. One process that reads objects
    lives as long as the instance, or until `close`.

    Args:
        directory: Anywhere in the repository.
        clock: Dates of the commits that it makes.
    """

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        self.git = Git(directory)
        self.clock = clock or SystemClock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process that reads objects; the repository stays usable."""
        self.git.objects.close()

    def resolve(self, revision: str) -> str:
        """Commit id of a branch, tag or abbreviated id; a branch wins over a tag of its name.

        Raises:
            InputError: there is none; suggests branches of a similar name.
        """
        # A branch that is named like a full id must not stand for another commit.
        candidates = [revision] if FULL_ID.fullmatch(revision) else [f"refs/heads/{revision}", revision]
        for candidate in candidates if revision else []:
            found = self.git.objects.identify(f"{candidate}^{{commit}}")
            if found is not None:
                return found[0]
        near = difflib.get_close_matches(revision, self.branches(), 3, 0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InputError(f"{self.git.directory}: no branch, tag or commit {revision!r}{hint}")

    def branches(self) -> dict[str, str]:
        """Every branch → its commit."""
        return {name.removeprefix("refs/heads/"): commit for name, commit in self.refs("refs/heads/").items()}

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Every ref under the prefixes → the object it points to."""
        listed = self.git.run("for-each-ref", "--format=%(objectname) %(refname)", *prefixes).stdout
        pairs = (os.fsdecode(line).split(" ", 1) for line in listed.splitlines())
        return {name: identity for identity, name in pairs}

    def tree(self, commit: str) -> Tree:
        """The files of a commit, or of a tree by its id."""
        found = self.git.objects.identify(commit) if FULL_ID.fullmatch(commit) else None
        return GitTree(self.git, commit if found is not None and found[1] == "tree" else self.resolve(commit))

    def merge_base(self, left: str, right: str) -> str:
        """Where two histories part.

        Raises:
            InputError: they have nothing in common.
        """
        done = self.git.run("merge-base", self.resolve(left), self.resolve(right), allowed=(0, 1))
        if done.returncode:
            raise InputError(f"{left} and {right} have no common history")
        return os.fsdecode(done.stdout).split()[0]

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether the second history contains the first commit (a commit contains itself)."""
        return self.git.run("merge-base", "--is-ancestor", ancestor, descendant, allowed=(0, 1)).returncode == 0

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Contents by content id, read in one go; ids that name none are left out."""
        return self.git.objects.read_blobs(ids)

    def log(self, revision: str, *paths: str, since: str | None = None, limit: int | None = None) -> list[Commit]:
        """Commits that touched any of the paths (none given: all), newest first, along first parents.

        So a merged pull request is one entry. `since` leaves out that commit and all that it contains.
        """
        return [commit for commit, _ in self._log(revision, paths, since, limit)]

    def changes(
        self, revision: str, *paths: str, since: str | None = None, limit: int | None = None
    ) -> list[FileChange]:
        """What the commits of `log` did to files under the paths; `limit` counts commits."""
        found = self._log(revision, paths, since, limit, "--raw", "--no-abbrev", "--no-renames")
        return [FileChange(commit, path, before, after) for commit, files in found for path, before, after in files]

    def _log(
        self, revision: str, paths: tuple[str, ...], since: str | None, limit: int | None, *shown: str
    ) -> Iterator[Logged]:
        arguments = ["log", "-z", "--no-color", "--first-parent", "--diff-merges=first-parent", *shown]
        arguments += [f"--format={LOG_FORMAT}", *([f"--max-count={limit}"] if limit is not None else [])]
        arguments += [self.resolve(revision), *([f"^{self.resolve(since)}"] if since is not None else [])]
        return read_log(self.git.run(*arguments, "--", *(f":(top,literal){path}" for path in paths)).stdout)

    def first_containing(self, commit: str, revision: str) -> str:
        """The oldest commit of `log` whose history has the commit: the merge that brought it.

        Raises:
            InputError: the revision's history does not have the commit, or nothing does.
        """
        commit = self.resolve(commit)
        line = self.git.text("rev-list", "--first-parent", self.resolve(revision)).split()
        if not self.is_ancestor(commit, line[0]):
            raise InputError(f"{revision} does not contain {commit[:12]}")
        newest, oldest = 0, len(line) - 1
        while newest < oldest:
            middle = (newest + oldest + 1) // 2
            if self.is_ancestor(commit, line[middle]):
                newest = middle
            else:
                oldest = middle - 1
        return line[newest]

    def diff(self, base: str, head: str) -> str:
        """Unified diff from one commit's files to another's, as git prints it; not influenced by anybody's settings."""
        arguments = ["-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index", "-M"]
        done = self.git.run("diff-tree", *arguments, self.resolve(base), self.resolve(head))
        return done.stdout.decode(errors="replace")

    def commit(self, branch: str, parent: str, changes: Mapping[str, bytes | None], message: str, author: str) -> str:
        """Make `branch` (created or moved) one commit on top of `parent` with the changes (None deletes).

        Repeating a call whose commit is the branch's tip already returns that tip. The repository's default branch
        (its HEAD) only ever moves forward.

        Raises:
            InputError: bad branch name, path or author; no such parent.
            RetryError: the branch moved meanwhile, or the default branch would lose commits.
        """
        self.check_branch_name(branch)
        old = self._tip(branch)
        new = self.write_commit([self.resolve(parent)], changes, message, author)
        return self._move(branch, old, new)

    def merge_trees(self, ours: str, theirs: str, what: str) -> str:
        """Id of the tree that merging two commits gives, without a work tree.

        Raises:
            InputError: they conflict; one problem a file. `what` names the merge.
        """
        arguments = ["--write-tree", "-z", "--name-only", "--no-messages", "--allow-unrelated-histories"]
        done = self.git.run("merge-tree", *arguments, ours, theirs, allowed=(0, 1))
        tree, *files = os.fsdecode(done.stdout).split("\0")
        if done.returncode:
            names = sorted({file for file in files if file})
            raise InputError([Problem(file=name, message=f"conflict: {what}") for name in names])
        return tree

    def merged(self, ours: str, theirs: str) -> str:
        """Id of the tree that merging the second commit into the first would leave; nothing is written to a branch.

        Raises:
            InputError: they conflict; one problem a file.
        """
        first, second = self.resolve(ours), self.resolve(theirs)
        return self.merge_trees(first, second, f"{theirs[:12]} does not merge into {ours[:12]}")

    def changed_paths(self, base: str, head: str) -> list[str]:
        """Paths that differ between two commits or trees, sorted: content, mode, submodules."""
        done = self.git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, head)
        return sorted(path for path in os.fsdecode(done.stdout).split("\0") if path)

    def special_paths(self, base: str, head: str) -> list[str]:
        """Paths that the second has, and the first has not, as something else than an ordinary file, sorted."""
        done = self.git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", base, head)
        fields = os.fsdecode(done.stdout).split("\0")
        modes = (about.removeprefix(":").split(" ")[:2] for about in fields[:-1:2])
        changes = zip(modes, fields[1::2], strict=True)
        return sorted(path for (old, new), path in changes if new not in {old, _ORDINARY, _ABSENT})

    def contributors(self, base: str, head: str) -> set[str]:
        """Authors and committers of the commits that the second history has and the first has not."""
        done = self.git.run("log", "-z", "--format=%an%x00%cn", self.resolve(head), f"^{self.resolve(base)}")
        return {name for name in done.stdout.decode(errors="replace").split("\0") if name}

    def pushers(self, branch: str, base: str, head: str) -> set[str]:
        """Who pushed what the second history has and the first has not to a branch, as far as its log of moves goes.

        git keeps that log where `core.logAllRefUpdates` asks for it; moves by the engine are no pushes.
        """
        form = "--format=%H%x00%gs%x00%gn"
        log = self.git.run("log", "-z", "--walk-reflogs", form, f"refs/heads/{branch}", "--", allowed=(0, 128))
        fields = log.stdout.decode(errors="replace").split("\0")
        brought = set(self.git.text("rev-list", self.resolve(head), f"^{self.resolve(base)}").split())
        moves = zip(fields[::3], fields[1::3], fields[2::3], strict=False)
        return {name for commit, how, name in moves if commit in brought and how.startswith(_PUSH)}

    def checkout(self, commit: str, directory: Path) -> None:
        """Put the files of the commit into the directory, a fresh work tree that borrows this repository's objects.

        Files have exactly the blobs' bytes: no line-end conversion, no filters, no hooks; a symbolic link becomes a
        plain file, so nothing leads out of the directory.

        Raises:
            InputError: the directory exists and is not empty; no such commit.
        """
        identity = self.resolve(commit)
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise InputError(f"{directory} is not empty; a checkout needs a fresh directory")
        directory.parent.mkdir(parents=True, exist_ok=True)
        source, target = str(self.git.directory), str(directory.absolute())
        shared = ["--quiet", "--shared", "--no-checkout", "--no-tags", "--single-branch", "--template="]
        settings = [
            "--config",
            "core.symlinks=false",
            "--config",
            "core.autocrlf=false",
            "--config",
            "core.hooksPath=/dev/null",
        ]
        self.git.run("clone", *shared, *settings, source, target)
        information = directory / ".git" / "info"
        information.mkdir(exist_ok=True)
        (information / "attributes").write_text("* -text -ident -filter -working-tree-encoding\n")
        done = run_git(["-C", target, "checkout", "--quiet", "--detach", identity])
        if done.returncode:
            raise error_of("git checkout", done.stderr)

    def delete_branch(self, branch: str) -> None:
        """Delete a branch; a missing one is fine.

        Raises:
            InputError: it is the repository's default branch.
        """
        self.check_branch_name(branch)
        if branch == self.default_branch():
            raise InputError(f"{branch} is the default branch and is not deleted")
        self.git.run("update-ref", "-d", f"refs/heads/{branch}")

    def default_branch(self) -> str:
        """The branch that HEAD names, even if it does not exist yet; empty where HEAD is detached."""
        done = self.git.run("symbolic-ref", "--quiet", "HEAD", allowed=(0, 1))
        return os.fsdecode(done.stdout).strip().removeprefix("refs/heads/")

    def check_branch_name(self, branch: str) -> None:
        """Refuse a name that git or a command line would misread.

        Raises:
            InputError: says what is allowed.
        """
        good = branch != "HEAD" and not branch.startswith("-") and "\0" not in branch and branch.isprintable()
        if not good or self.git.run("check-ref-format", f"refs/heads/{branch}", allowed=(0, 1)).returncode:
            raise InputError(
                f"branch name {branch!r}: allowed are letters, digits, `/`, `_`, `.` and `-` (not first), "
                "no spaces, no `..`, none of ~ ^ : ? * [ \\, and no `.lock` at the end"
            )

    def write_commit(
        self,
        parents: list[str],
        changes: Mapping[str, bytes | None],
        message: str,
        author: str,
        tree: str | None = None,
    ) -> str:
        """Write a commit that no ref points to yet, dated by the clock; see `writer.write_commit`."""
        return write_commit(self.git, parents, changes, message, author, at=self.clock.now(), tree=tree)

    def tree_id(self, commit: str) -> str:
        """Id of the commit's tree: equal when all files are."""
        found = self.git.objects.identify(f"{commit}^{{tree}}")
        if found is None:
            raise InputError(f"{self.git.directory}: no commit {commit!r}")
        return found[0]

    def _tip(self, branch: str) -> str | None:
        found = self.git.objects.identify(f"refs/heads/{branch}")
        return None if found is None else found[0]

    def _move(self, branch: str, old: str | None, new: str) -> str:
        if old is not None and self._undated(old) == self._undated(new):
            return old
        if old is not None and branch == self.default_branch() and not self.is_ancestor(old, new):
            raise RetryError(f"{branch} has moved to {old[:12]}; start again from there")
        self.git.update_refs([RefUpdate(f"refs/heads/{branch}", new, old)])
        return new

    def _undated(self, commit: str) -> bytes:
        return WRITTEN_DATE.sub(rb"\1", self.git.objects.read(commit, "commit") or b"")
