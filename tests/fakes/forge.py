"""A repository and a forge in memory: the same rules as the real ones, without git."""

from __future__ import annotations

import copy
import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from bighead_ci.clocks import SystemClock
from bighead_ci.definitions.tree import blob_id
from bighead_ci.documents.forge import Check, CheckState, PullRequest, PullRequestState, PullRequestSummary
from bighead_ci.errors import InputError, Problem, RetryError
from bighead_ci.forge import rules
from bighead_ci.ports.clock import Clock
from bighead_ci.ports.repository import Commit, FileChange
from fakes.memory_tree import MemoryTree

Files = dict[str, bytes]


class MemoryRepository:
    """Commits in a dictionary. It begins with one empty commit on `main`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.commits: dict[str, Commit] = {}
        self.contents: dict[str, Files] = {}
        self._blobs: dict[str, bytes] = {}
        self._trees: dict[str, Files] = {}
        self.branches: dict[str, str] = {"main": self.add([], {}, "begin", "nobody")}

    def add(self, parents: list[str], files: Files, message: str, author: str) -> str:
        """Keep a commit; its id is over what it says, and how many there are."""
        listing = sorted((path, blob_id(data)) for path, data in files.items())
        identity = hashlib.sha1(repr((len(self.commits), parents, listing, message)).encode()).hexdigest()  # noqa: S324
        subject = message.split("\n", 1)[0]
        name = author.split("<", maxsplit=1)[0].strip()
        self.commits[identity] = Commit(
            id=identity, author=name, at=self.clock.now(), subject=subject, parents=list(parents)
        )
        self.contents[identity] = dict(files)
        self._blobs |= {blob_id(data): data for data in files.values()}
        return identity

    def resolve(self, revision: str) -> str:
        if revision in self.commits:
            return revision
        if revision in self.branches:
            return self.branches[revision]
        found = [identity for identity in self.commits if len(revision) > 3 and identity.startswith(revision)]
        if len(found) != 1:
            raise InputError(f"no branch, tag or commit {revision!r}")
        return found[0]

    def tree(self, commit: str) -> MemoryTree:
        return MemoryTree(self._files(commit))

    def _files(self, commit: str) -> Files:
        return self._trees[commit] if commit in self._trees else self.contents[self.resolve(commit)]

    def merged(self, ours: str, theirs: str) -> str:
        base = self.contents[self.merge_base(ours, theirs)]
        sides = self._files(ours), self._files(theirs)
        files = merged(base, *sides, f"{theirs[:12]} does not merge into {ours[:12]}")
        listing = sorted((path, blob_id(data)) for path, data in files.items())
        identity = hashlib.sha1(repr(listing).encode()).hexdigest()  # noqa: S324
        self._trees[identity] = files
        self._blobs |= {blob_id(data): data for data in files.values()}
        return identity

    def changed_paths(self, base: str, head: str) -> list[str]:
        return sorted(_changed(self._files(base), self._files(head)))

    def special_paths(self, base: str, head: str) -> list[str]:
        """Files here are all ordinary."""
        assert self._files(base).keys() | self._files(head).keys()
        return []

    def contributors(self, base: str, head: str) -> set[str]:
        brought = self.history(self.resolve(head)) - self.history(self.resolve(base))
        return {self.commits[commit].author for commit in brought}

    def history(self, commit: str) -> set[str]:
        """The commit and everything before it."""
        seen: set[str] = set()
        ahead = [commit]
        while ahead:
            current = ahead.pop()
            if current not in seen:
                seen.add(current)
                ahead += self.commits[current].parents
        return seen

    def merge_base(self, left: str, right: str) -> str:
        common = self.history(self.resolve(left)) & self.history(self.resolve(right))
        best = [c for c in common if not any(c != other and c in self.history(other) for other in common)]
        if not best:
            raise InputError(f"{left} and {right} have no common history")
        return best[0]

    def log(self, revision: str, *paths: str, since: str | None = None, limit: int | None = None) -> list[Commit]:
        found = [c for c in self._line(revision, since) if not paths or self._changes_of(c, paths)]
        return found[:limit]

    def changes(
        self, revision: str, *paths: str, since: str | None = None, limit: int | None = None
    ) -> list[FileChange]:
        commits = self.log(revision, *paths, since=since, limit=limit)
        return [change for commit in commits for change in self._changes_of(commit, paths)]

    def _line(self, revision: str, since: str | None) -> Iterator[Commit]:
        left_out = self.history(self.resolve(since)) if since is not None else set()
        current: str | None = self.resolve(revision)
        while current is not None and current not in left_out:
            commit = self.commits[current]
            yield commit
            current = commit.parents[0] if commit.parents else None

    def _changes_of(self, commit: Commit, paths: tuple[str, ...]) -> list[FileChange]:
        before = self.contents[commit.parents[0]] if commit.parents else {}
        after = self.contents[commit.id]
        return [
            FileChange(commit, name, *(blob_id(f[name]) if name in f else None for f in (before, after)))
            for name in sorted(_changed(before, after))
            if not paths or any(name == path or name.startswith(f"{path}/") for path in paths)
        ]

    def first_containing(self, commit: str, revision: str) -> str:
        found = [c.id for c in self.log(revision) if commit in self.history(c.id)]
        if not found:
            raise InputError(f"{revision} does not contain {commit[:12]}")
        return found[-1]

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        wanted = set(ids)
        return {one: self._blobs[one] for one in wanted & self._blobs.keys()}

    def diff(self, base: str, head: str) -> str:
        before, after = self.contents[self.resolve(base)], self.contents[self.resolve(head)]
        return "".join(
            line
            for path in sorted(_changed(before, after))
            for line in difflib.unified_diff(_lines(before, path), _lines(after, path), f"a/{path}", f"b/{path}")
        )

    def commit(self, branch: str, parent: str, changes: Mapping[str, bytes | None], message: str, author: str) -> str:
        check_branch_name(branch)
        base = self.resolve(parent)
        files = dict(self.contents[base])
        for path, data in changes.items():
            if any(part in {"", ".", "..", ".git"} for part in path.split("/")):
                raise InputError([Problem(file=repr(path), message="cannot be a file of a repository")])
            files.pop(path, None)
            if data is not None:
                files[path] = data
        return self._move(branch, base, files, message, author)

    def checkout(self, commit: str, directory: Path) -> None:
        if directory.exists() and any(directory.iterdir()):
            raise InputError(f"{directory} is not empty")
        directory.mkdir(parents=True, exist_ok=True)
        for path, data in self.contents[self.resolve(commit)].items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(data)

    def delete_branch(self, branch: str) -> None:
        check_branch_name(branch)
        if branch == "main":
            raise InputError("main is the default branch and is not deleted")
        self.branches.pop(branch, None)

    def _move(self, branch: str, base: str, files: Files, message: str, author: str) -> str:
        old = self.branches.get(branch)
        if old is not None:
            tip = self.commits[old]
            same = (tip.parents, tip.subject, tip.author) == (
                [base],
                message.split("\n", 1)[0],
                author.split("<", maxsplit=1)[0].strip(),
            )
            if same and self.contents[old] == files:
                return old
            if branch == "main" and old not in self.history(base):
                raise RetryError(f"main has moved to {old[:12]}; start again from there")
        self.branches[branch] = self.add([base], files, message, author)
        return self.branches[branch]


class MemoryForge:
    """Implements `ports.forge.Forge` on a repository in memory; for one thread."""

    def __init__(
        self,
        repository: MemoryRepository,
        clock: Clock | None = None,
        identity: str = "bot",
        required_checks: tuple[str, ...] = (),
    ) -> None:
        self.repository = repository
        self.clock = clock or SystemClock()
        self.identity = identity
        self.required_checks = required_checks
        self.pulls: dict[int, PullRequest] = {}
        self.said: dict[str, list[Check]] = {}
        self.damaged: dict[int, str] = {}
        """Numbers whose text a test has made unreadable → why."""

    def acting(self, identity: str) -> Self:
        """The same forge as somebody else sees it."""
        other = copy.copy(self)
        other.identity = identity
        return other

    def open(
        self,
        source: str,
        target: str,
        title: str,
        body: str,
        labels: tuple[str, ...] = (),
        head: str | None = None,
    ) -> PullRequestSummary:
        for branch in (source, target):
            check_branch_name(branch)
            if branch not in self.repository.branches:
                raise InputError(f"there is no branch {branch!r}; push it first")
        if head not in {None, self.repository.branches[source]}:
            raise RetryError(f"{source} is no longer at {head}: somebody else moved it first")
        for pull in self.find("open", source=source):
            if pull.target == target:
                return self._keep(rules.with_text(self.get(pull.number), title, body, labels)).summary
        tip = self.repository.branches[source]
        if tip in self.repository.history(self.repository.branches[target]):
            raise InputError(f"{source} has nothing that {target} lacks: there is nothing to merge")
        number = len(self.pulls) + 1
        return self._keep(
            PullRequest(
                number=number,
                title=rules.checked_title(title),
                body=rules.checked_body(body, "body"),
                author=self.identity,
                source=source,
                target=target,
                head=tip,
                state="open",
                created_at=self.clock.now(),
                labels=list(labels),
                url=f"memory:#{number}",
            )
        ).summary

    def get(self, number: int) -> PullRequest:
        if number not in self.pulls:
            raise InputError(f"there is no pull request #{number}")
        if number in self.damaged:
            raise InputError(f"the pull request at #{number} cannot be read: {self.damaged[number]}")
        pull = self.pulls[number]
        if pull.state == "open":
            branches = self.repository.branches
            pull = pull.model_copy(update={"head": branches.get(pull.source, pull.head)})
            onto = branches.get(pull.target)
            if onto is not None and pull.head in self.repository.history(onto):
                by = self.repository.first_containing(pull.head, onto)
                pull = pull.model_copy(update={"state": "merged", "merge_commit": by})
        return self._keep(pull)

    def find(
        self,
        state: PullRequestState | None = None,
        label: str | None = None,
        source: str | None = None,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[PullRequestSummary]:
        found = [self.get(number) for number in sorted(self.pulls, reverse=True) if number not in self.damaged]
        return [
            pull.summary
            for pull in found
            if (before is None or pull.number < before) and state in {None, pull.state}
            if source in {None, pull.source} and (label is None or label in pull.labels)
        ][:limit]

    def problems(self) -> list[str]:
        return [f"#{number}: {why}" for number, why in self.damaged.items()]

    def repair(self) -> list[str]:
        mended = [f"#{number}: as it was before" for number in self.damaged]
        self.damaged.clear()
        return mended

    def update(
        self, number: int, title: str | None = None, body: str | None = None, labels: tuple[str, ...] | None = None
    ) -> PullRequestSummary:
        return self._keep(rules.with_text(self.get(number), title, body, labels)).summary

    def contributors(self, number: int) -> set[str]:
        pull = self.get(number)
        return self.repository.contributors(pull.target, pull.head)

    def comment(self, number: int, marker: str, body: str) -> None:
        self._keep(rules.with_comment(self.get(number), marker, body, self.identity, self.clock.now()))

    def review(self, number: int, *, approved: bool) -> None:
        self._keep(rules.with_review(self.get(number), self.identity, approved, self.clock.now()))

    def set_check(self, commit: str, name: str, state: CheckState, description: str, external_id: str = "") -> None:
        identity = self.repository.resolve(commit)
        check = rules.checked_check(name, identity, state, description, external_id)
        self.said[identity] = rules.with_check(self.said.get(identity, []), check)

    def checks(self, commit: str) -> list[Check]:
        return list(self.said.get(self.repository.resolve(commit), []))

    def merge(self, number: int, head: str, onto: str | None = None) -> PullRequestSummary:
        pull = self.get(number)
        if pull.state == "merged":
            return pull.summary
        if pull.state == "open" and pull.head != head:
            raise RetryError(f"#{number} is at {pull.head[:12]} by now, not {head[:12]}: look at it again")
        repository = self.repository
        tip = repository.branches[pull.target]
        if onto not in {None, tip}:
            raise RetryError(f"{pull.target} is at {tip[:12]} by now, not {onto}: look at it again")
        rules.check_mergeable(pull, self.checks(head), self.required_checks)
        base = repository.contents[repository.merge_base(tip, pull.head)]
        sides = repository.contents[tip], repository.contents[pull.head]
        files = merged(base, *sides, f"#{number} does not merge into {pull.target}")
        commit = repository.add([tip, pull.head], files, rules.merge_message(pull), self.identity)
        repository.branches[pull.target] = commit
        return self._keep(pull.model_copy(update={"state": "merged", "merge_commit": commit})).summary

    def close(self, number: int) -> PullRequestSummary:
        return self._keep(rules.closed(self.get(number))).summary

    def _keep(self, pull: PullRequest) -> PullRequest:
        self.pulls[pull.number] = pull
        return pull


def check_branch_name(branch: str) -> None:
    """The part of git's rule that tests rely on."""
    bad = not branch or branch.startswith("-") or branch == "HEAD" or ".." in branch or branch.endswith(".lock")
    if bad or any(character in " ~^:?*[\\\n\0" for character in branch):
        raise InputError(f"branch name {branch!r}: allowed are letters, digits, `/`, `_`, `.` and `-` (not first)")


def merged(base: Files, ours: Files, theirs: Files, what: str) -> Files:
    """Merge three sets of files, whole files at a time."""
    result, problems = dict(ours), []
    for path in _changed(base, theirs):
        if ours.get(path) not in {base.get(path), theirs.get(path)}:
            problems.append(Problem(file=path, message=f"conflict: {what}"))
        result.pop(path, None)
        if path in theirs:
            result[path] = theirs[path]
    if problems:
        raise InputError(problems)
    return result


def _changed(before: Files, after: Files) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def _lines(files: Files, path: str) -> list[str]:
    return files.get(path, b"").decode(errors="replace").splitlines(keepends=True)
