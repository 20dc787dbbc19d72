"""A forge without a server: pull requests live in the bare repository that is pushed to."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import TypeVar

from bighead_ci.documents.forge import Check, CheckState, PullRequest, PullRequestState, PullRequestSummary
from bighead_ci.errors import InputError, RetryError
from bighead_ci.forge import rules
from bighead_ci.forge.pull_store import BRANCHES, PULLS, PullStore
from bighead_ci.forge.repair import repair
from bighead_ci.git.process import DiskFullError, RefUpdate
from bighead_ci.git.repository import GitRepository
from bighead_ci.ports.clock import Clock

ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 0.2
REQUIRED_CHECK = "bighead.requiredCheck"
"""In the repository's git config, once a check: `git config --add bighead.requiredCheck bighead/ci`."""

Edit = Callable[[PullRequest], PullRequest]
Result = TypeVar("Result")


class LocalForge:
    """Implements `ports.forge.Forge`. Any number of processes may work on it at once.

    Every change is a compare-and-swap of refs: the loser of a race reads again and repeats, a few times. The head
    follows its branch, and a head that the target contains (merged here, or by somebody's push, or by a merge that was
    killed before it could say so) counts as merged; both are noticed, and written down, when the pull request is read.

    Args:
        repository: The bare repository.
        clock: Dates of comments and reviews, and of the commits that keep them.
        identity: Who acts.
        required_checks: Checks that a merge needs, beside those of the repository's `bighead.requiredCheck`.
    """

    def __init__(
        self,
        repository: GitRepository,
        clock: Clock,
        identity: str,
        required_checks: tuple[str, ...] = (),
    ) -> None:
        self.repository = repository
        self.clock = clock
        self.identity = identity
        self.required_checks = required_checks
        self.store = PullStore(repository)
        self._contains = lru_cache(maxsize=65536)(repository.is_ancestor)

    def open(
        self,
        source: str,
        target: str,
        title: str,
        body: str,
        labels: tuple[str, ...] = (),
        head: str | None = None,
    ) -> PullRequestSummary:
        """Open a pull request; one that is open for that source and target gets the new text and is returned.

        With `head`, only if the source is at that commit when the text comes into force.
        """
        for branch in (source, target):
            self.repository.check_branch_name(branch)
        draft = PullRequest(
            number=0,
            title=rules.checked_title(title),
            body=rules.checked_body(body, f"body of the pull request from {source}"),
            author=self.identity,
            source=source,
            target=target,
            head=self._tip(source) if head is None else head,
            state="open",
            created_at=self.clock.now(),
            labels=list(labels),
        )
        return _persist(f"opening a pull request from {source}", lambda: self._open(draft, head)).summary

    def get(self, number: int) -> PullRequest:
        """One pull request; `head` follows its branch while it is open."""
        return self._live(self.store.tip(number))[0]

    def find(
        self,
        state: PullRequestState | None = None,
        label: str | None = None,
        source: str | None = None,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[PullRequestSummary]:
        """Pull requests, newest first; page by page with `before` (a number) and `limit`.

        One that cannot be read is passed over; `problems` names it.
        """
        found = (
            pull
            for pull in self._summaries(before)
            if state in {None, pull.state} and source in {None, pull.source}
            if label is None or label in pull.labels
        )
        return list(islice(found, limit))

    def problems(self) -> list[str]:
        """Why pull requests that are there cannot be read, one line each."""
        found = []
        for name, version in self.repository.refs(PULLS).items():
            if not name.removeprefix(PULLS).isdecimal():
                found.append(f"{name}: a pull request has a number")
                continue
            try:
                if self.store.summary(version).state == "open":
                    self.store.load(version)
            except InputError as error:
                found.append(f"{name}: {error}")
        return found

    def repair(self) -> list[str]:
        """Bring what cannot be read back to its newest version that can be, or put it aside."""
        return _persist("mending pull requests", lambda: repair(self.store))

    def update(
        self, number: int, title: str | None = None, body: str | None = None, labels: tuple[str, ...] | None = None
    ) -> PullRequestSummary:
        """Change title, body or labels."""
        message = "Edit title, body or labels"
        return self._change(number, lambda pull: rules.with_text(pull, title, body, labels), message).summary

    def contributors(self, number: int) -> set[str]:
        """Names of the authors and committers of what the pull request brings, and of those who pushed it."""
        pull = self.get(number)
        span = pull.target, pull.head
        return self.repository.contributors(*span) | self.repository.pushers(pull.source, *span)

    def comment(self, number: int, marker: str, body: str) -> None:
        """Post the comment of that marker, or update it in place."""
        now = self.clock.now()
        self._change(
            number, lambda pull: rules.with_comment(pull, marker, body, self.identity, now), f"Comment: {marker}"
        )

    def review(self, number: int, *, approved: bool) -> None:
        """Approve or refuse the present head; nobody reviews a pull request of their own."""
        now = self.clock.now()
        word = "Approve" if approved else "Refuse"
        self._change(number, lambda pull: rules.with_review(pull, self.identity, approved, now), word)

    def set_check(self, commit: str, name: str, state: CheckState, description: str, external_id: str = "") -> None:
        """Say something of a commit; a longer description than a forge keeps is cut."""
        identity = self.repository.resolve(commit)
        check = rules.checked_check(name, identity, state, description, external_id)

        def attempt() -> None:
            checks, version = self.store.checks(identity)
            if check not in checks:
                new = rules.with_check(checks, check)
                self.store.write_checks(identity, new, version, f"Check {name}: {state}", self.identity)

        _persist(f"setting {name} on {identity[:12]}", attempt)

    def checks(self, commit: str) -> list[Check]:
        """What is said of a commit: the newest of each name, by name; nothing where it cannot be read."""
        return self.store.checks(self.repository.resolve(commit))[0]

    def merge(self, number: int, head: str, onto: str | None = None) -> PullRequestSummary:
        """Merge if the head is still that commit, and the target still `onto` if given; refuses on conflict.

        Merging a merged one returns it unchanged.
        """
        return _persist(f"merging #{number}", lambda: self._merge(number, head, onto)).summary

    def close(self, number: int) -> PullRequestSummary:
        """Close without merging; why is a comment's to say."""
        return self._change(number, rules.closed, "Close").summary

    def _tip(self, branch: str) -> str:
        found = self.store.ref(f"refs/heads/{branch}")
        if found is None:
            raise InputError(f"there is no branch {branch!r} in {self.repository.git.directory}; push it first")
        return found

    def _open(self, draft: PullRequest, head: str | None) -> PullRequest:
        key = self.store.open_key(draft.source, draft.target)
        turn = self.store.ref(key)
        tips, branches = self.store.tips_and_branches()
        pinned: tuple[RefUpdate, ...] = ()
        if head is not None:
            tip = branches.get(draft.source)
            if tip != head:
                raise _StaleError(f"{draft.source} is at {tip} by now, not {head[:12]}: somebody else moved it first")
            pinned = (RefUpdate(f"{BRANCHES}{draft.source}", head, head),)
        for tip in tips.values():
            with suppress(InputError):
                summary = self._live_summary(tip, branches)
                if (summary.source, summary.target, summary.state) == (draft.source, draft.target, "open"):
                    present, version = self._live(self.store.tip(summary.number), branches)
                    edited = rules.with_text(present, draft.title, draft.body, draft.labels)
                    return self._write(edited, version, "Open again", pinned)[0]
        if self._contains(draft.head, self._tip(draft.target)):
            raise InputError(f"{draft.source} has nothing that {draft.target} lacks: there is nothing to merge")
        pull = draft.model_copy(update={"number": max(tips, default=0) + 1})
        version, moves = self.store.write(pull, None, f"Open #{pull.number}: {pull.title}", pull.author)
        self.repository.git.update_refs([*pinned, *moves, RefUpdate(key, version, turn)])
        return self.store.load(version)

    def _summaries(self, before: int | None) -> Iterator[PullRequestSummary]:
        tips, branches = self.store.tips_and_branches()
        for number in sorted(tips, reverse=True):
            if before is None or number < before:
                with suppress(InputError):
                    yield self._live_summary(tips[number], branches)

    def _live_summary(self, version: str, branches: dict[str, str]) -> PullRequestSummary:
        """What a list shows; the whole is read only where its branches say something new."""
        summary = self.store.summary(version)
        if not self._observe(summary, branches):
            return summary
        return self._live(version, branches)[0].summary

    def _live(self, version: str, branches: dict[str, str] | None = None) -> tuple[PullRequest, str]:
        """The pull request of a version as its branches say it is now, and the version that says so."""
        pull = self.store.load(version)
        update = self._observe(pull, branches)
        if not update:
            return pull, version
        current = pull.model_copy(update=update)
        message = f"Merged as {current.merge_commit}" if current.state == "merged" else f"Head is {current.head}"
        try:
            return self._write(current, version, message)
        except RetryError:
            return current, version  # somebody else writes it down, or the next reader does

    def _observe(self, pull: PullRequestSummary, branches: dict[str, str] | None) -> dict[str, object]:
        """What differs by now: an open one's head follows its branch, and may be in its target."""
        if pull.state != "open":
            return {}

        def tip(branch: str) -> str | None:
            return self.store.ref(f"refs/heads/{branch}") if branches is None else branches.get(branch)

        head, onto = tip(pull.source) or pull.head, tip(pull.target)
        update: dict[str, object] = {} if head == pull.head else {"head": head}
        if onto is not None and self._contains(head, onto):
            update |= {"state": "merged", "merge_commit": self.repository.first_containing(head, onto)}
        return update

    def _change(self, number: int, edit: Edit, message: str) -> PullRequest:
        def attempt() -> PullRequest:
            pull, version = self._live(self.store.tip(number))
            return self._write(edit(pull), version, message)[0]

        return _persist(f"changing #{number}", attempt)

    def _write(
        self, pull: PullRequest, version: str, message: str, first: tuple[RefUpdate, ...] = ()
    ) -> tuple[PullRequest, str]:
        if pull == self.store.load(version):
            return pull, version
        new, moves = self.store.write(pull, version, message, self.identity)
        self.repository.git.update_refs([*first, *moves])
        return pull, new

    def _merge(self, number: int, head: str, expected: str | None) -> PullRequest:
        pull, version = self._live(self.store.tip(number))
        if pull.state == "merged":
            return pull
        if pull.state == "open" and pull.head != head:
            raise _StaleError(f"#{number} is at {pull.head[:12]} by now, not {head[:12]}: look at it again")
        onto = self._tip(pull.target)
        if expected is not None and onto != expected:
            raise _StaleError(f"{pull.target} is at {onto[:12]} by now, not {expected[:12]}: look at it again")
        rules.check_mergeable(pull, self.checks(head), self._required_checks())
        what = f"#{number} ({pull.source}) does not merge into {pull.target}"
        tree = self.repository.merge_trees(onto, pull.head, what)
        merged = self.repository.write_commit([onto, pull.head], {}, rules.merge_message(pull), self.identity, tree)
        done = pull.model_copy(update={"state": "merged", "merge_commit": merged})
        # The target first: were we killed between the two refs, the next reader finds the head in the target and writes
        # the rest down.
        first = (RefUpdate(f"refs/heads/{pull.target}", merged, onto),)
        return self._write(done, version, f"Merge as {merged}", first)[0]

    def _required_checks(self) -> list[str]:
        found = self.repository.git.run("config", "--null", "--get-all", REQUIRED_CHECK, allowed=(0, 1))
        return list(dict.fromkeys([*self.required_checks, *os.fsdecode(found.stdout).split("\0")[:-1]]))


class _StaleError(RetryError):
    """What the caller looked at has changed: repeating for them would defeat the check."""


def _persist(what: str, attempt: Callable[[], Result]) -> Result:
    """Repeat a compare-and-swap that lost a race, with random pauses.

    Raises:
        RetryError: it lost every time, or the disk is full.
    """
    for turn in range(ATTEMPTS):
        try:
            return attempt()
        except (_StaleError, DiskFullError):
            raise
        except RetryError as error:
            if turn + 1 == ATTEMPTS:
                raise RetryError(f"{what}: others were first {ATTEMPTS} times; try again ({error})") from error
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.01 * 2**turn)))  # noqa: S311 - spreads load
    raise RetryError(what)
