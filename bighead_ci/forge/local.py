"""A forge without a server: pull requests live in the bare repository that is pushed to."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import lru_cache

from bighead_ci.documents.forge import PullRequest, PullRequestState, Status, StatusState
from bighead_ci.errors import InputError, Problem, RetryError
from bighead_ci.forge import rules
from bighead_ci.forge.pull_store import BRANCHES, PullStore
from bighead_ci.git.process import RefUpdate
from bighead_ci.git.repository import GitRepository
from bighead_ci.ports.clock import Clock

ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 0.2
REQUIRED_STATUS = "bighead.requiredStatus"
"""In the repository's git config, once a check: `git config --add bighead.requiredStatus bighead/ci`."""
REQUIRED_APPROVALS = "bighead.requiredApprovals"

Edit = Callable[[PullRequest], PullRequest]


class LocalForge:
    """Implements `ports.forge.Forge`. Any number of processes may work on it at once.

    Every change is a compare-and-swap of refs: the loser of a race reads again and repeats, a few times. The head
    follows its branch, and a head that the target contains (merged here, or by somebody's push, or by a merge that was
    killed before it could say so) counts as merged; both are noticed, and written down, when the pull request is read.

    Args:
        repository: The bare repository.
        clock: Dates of comments and reviews, and of the commits that keep them.
        required_statuses: Checks that a merge needs, beside those of the repository's `bighead.requiredStatus`.
        required_approvals: How many approvals a pull request needs, beside the repository's
            `bighead.requiredApprovals`.
    """

    def __init__(
        self,
        repository: GitRepository,
        clock: Clock,
        required_statuses: tuple[str, ...] = (),
        required_approvals: Callable[[PullRequest], int] | None = None,
    ) -> None:
        self.repository = repository
        self.clock = clock
        self.required_statuses = required_statuses
        self.required_approvals = required_approvals or (lambda _: 0)
        self.store = PullStore(repository)
        self._contains = lru_cache(maxsize=65536)(repository.is_ancestor)

    def open(
        self,
        source: str,
        target: str,
        title: str,
        body: str,
        author: str,
        labels: tuple[str, ...] = (),
        head: str | None = None,
    ) -> PullRequest:
        """Open a pull request; one that is open for that source and target gets the new text and is returned.

        With `head`, only if the source is at that commit when the text comes into force.
        """
        for branch in (source, target):
            self.repository.check_branch_name(branch)
        draft = PullRequest(
            number=0,
            title=rules.checked_title(title),
            body=rules.checked_body(body, f"body of the pull request from {source}"),
            author=author,
            source=source,
            target=target,
            head=self._tip(source) if head is None else head,
            state="open",
            created_at=self.clock.now(),
            labels=list(labels),
        )
        return _persist(f"opening a pull request from {source}", lambda: self._open(draft, head))

    def get(self, number: int) -> PullRequest:
        """One pull request; `head` follows its branch while it is open."""
        return self._live(self.store.tip(number))[0]

    def find(self, state: PullRequestState | None = None, label: str | None = None) -> list[PullRequest]:
        """Pull requests, oldest first."""
        tips, branches = self.store.tips_and_branches()
        found = (self._live(version, branches)[0] for version in tips.values())
        return [p for p in found if state in {None, p.state} and (label is None or label in p.labels)]

    def update(
        self, number: int, title: str | None = None, body: str | None = None, labels: tuple[str, ...] | None = None
    ) -> PullRequest:
        """Change title, body or labels."""
        message = "Edit title, body or labels"
        return self._change(number, lambda pull: rules.with_text(pull, title, body, labels), message, "bighead")

    def comment(self, number: int, marker: str, body: str, author: str) -> PullRequest:
        """Post the comment of that marker, or update it in place."""
        now = self.clock.now()
        return self._change(
            number, lambda pull: rules.with_comment(pull, marker, body, author, now), f"Comment: {marker}", author
        )

    def set_status(self, number: int, context: str, state: StatusState, description: str, commit: str) -> PullRequest:
        """Set a check on a commit."""
        identity = self.repository.resolve(commit)
        status = Status(context=context, state=state, description=description, commit=identity)
        return self._change(
            number, lambda pull: rules.with_status(pull, status), f"Check {context}: {state}", "bighead"
        )

    def review(self, number: int, author: str, approved: bool) -> PullRequest:
        """Approve or refuse the present head."""
        now = self.clock.now()
        word = "Approve" if approved else "Refuse"
        return self._change(number, lambda pull: rules.with_review(pull, author, approved, now), word, author)

    def merge(self, number: int, head: str, author: str) -> PullRequest:
        """Merge if the head is still that commit; refuses on conflict. Merging a merged one returns it unchanged."""
        return _persist(f"merging #{number}", lambda: self._merge(number, head, author))

    def close(self, number: int, reason: str) -> PullRequest:
        """Close without merging."""
        return self._change(number, lambda pull: rules.closed(pull, reason), f"Close: {reason}", "bighead")

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
            present, version = self._live(tip, branches)
            if (present.source, present.target, present.state) == (draft.source, draft.target, "open"):
                edited = rules.with_text(present, draft.title, draft.body, draft.labels)
                return self._write(edited, version, "Open again", draft.author, pinned)[0]
        if self._contains(draft.head, self._tip(draft.target)):
            raise InputError(f"{draft.source} has nothing that {draft.target} lacks: there is nothing to merge")
        pull = draft.model_copy(update={"number": max(tips, default=0) + 1})
        version, moves = self.store.write(pull, None, f"Open #{pull.number}: {pull.title}", pull.author)
        self.repository.git.update_refs([*pinned, *moves, RefUpdate(key, version, turn)])
        return pull

    def _live(self, version: str, branches: dict[str, str] | None = None) -> tuple[PullRequest, str]:
        """The pull request of a version as its branches say it is now, and the version that says so."""
        pull = self.store.load(version)
        if pull.state != "open":
            return pull, version
        current = self._observe(pull, branches)
        message = f"Merged as {current.merge_commit}" if current.state == "merged" else f"Head is {current.head}"
        try:
            return self._write(current, version, message, "bighead")
        except RetryError:
            return current, version  # somebody else writes it down, or the next reader does

    def _observe(self, pull: PullRequest, branches: dict[str, str] | None) -> PullRequest:
        def tip(branch: str) -> str | None:
            return self.store.ref(f"refs/heads/{branch}") if branches is None else branches.get(branch)

        head, onto = tip(pull.source) or pull.head, tip(pull.target)
        update: dict[str, object] = {} if head == pull.head else {"head": head}
        if onto is not None and self._contains(head, onto):
            update |= {"state": "merged", "merge_commit": self.repository.first_containing(head, onto)}
        return pull.model_copy(update=update) if update else pull

    def _change(self, number: int, edit: Edit, message: str, author: str) -> PullRequest:
        def attempt() -> PullRequest:
            pull, version = self._live(self.store.tip(number))
            return self._write(edit(pull), version, message, author)[0]

        return _persist(f"changing #{number}", attempt)

    def _write(
        self, pull: PullRequest, version: str, message: str, author: str, first: tuple[RefUpdate, ...] = ()
    ) -> tuple[PullRequest, str]:
        if pull == self.store.load(version):
            return pull, version
        new, moves = self.store.write(pull, version, message, author)
        self.repository.git.update_refs([*first, *moves])
        return pull, new

    def _merge(self, number: int, head: str, author: str) -> PullRequest:
        pull, version = self._live(self.store.tip(number))
        if pull.state == "merged":
            return pull
        if pull.state == "open" and pull.head != head:
            raise _StaleError(f"#{number} is at {pull.head[:12]} by now, not {head[:12]}: look at it again")
        rules.check_mergeable(pull, *self._protection(pull))
        onto = self._tip(pull.target)
        what = f"#{number} ({pull.source}) does not merge into {pull.target}"
        tree = self.repository.merge_trees(onto, pull.head, what)
        self._check_judged_whole(onto, pull.head, what)
        merged = self.repository.write_commit([onto, pull.head], {}, rules.merge_message(pull), author, tree)
        done = pull.model_copy(update={"state": "merged", "merge_commit": merged})
        # The target first: were we killed between the two refs, the next reader finds the head in the target and writes
        # the rest down.
        first = (RefUpdate(f"refs/heads/{pull.target}", merged, onto),)
        return self._write(done, version, f"Merge as {merged}", author, first)[0]

    def _check_judged_whole(self, onto: str, head: str, what: str) -> None:
        """Refuse to mix two releases line by line: nobody has judged the mixture."""
        repository = self.repository
        base = repository.merge_base(onto, head)
        pairs = ((base, onto), (base, head), (onto, head))
        mixed = set.intersection(*(repository.changed_paths(*pair, rules.JUDGED_WHOLE) for pair in pairs))
        if mixed:
            raise InputError([Problem(file=path, message=f"changed on both sides: {what}") for path in sorted(mixed)])

    def _protection(self, pull: PullRequest) -> tuple[list[str], int]:
        config = self.repository.git.run("config", "--null", "--get-regexp", r"^bighead\.required", allowed=(0, 1))
        pairs = [entry.partition("\n")[::2] for entry in os.fsdecode(config.stdout).split("\0") if entry]
        statuses = [value for name, value in pairs if name == REQUIRED_STATUS.lower()]
        numbers = [value for name, value in pairs if name == REQUIRED_APPROVALS.lower()]
        if numbers and not numbers[-1].isdecimal():
            raise InputError(f"git config {REQUIRED_APPROVALS} is {numbers[-1]!r}; write a number")
        least = int(numbers[-1]) if numbers else 0
        return list(dict.fromkeys([*self.required_statuses, *statuses])), max(least, self.required_approvals(pull))


class _StaleError(RetryError):
    """What the caller looked at has changed: repeating for them would defeat the check."""


def _persist(what: str, attempt: Callable[[], PullRequest]) -> PullRequest:
    """Repeat a compare-and-swap that lost a race, with random pauses.

    Raises:
        RetryError: it lost every time.
    """
    for turn in range(ATTEMPTS):
        try:
            return attempt()
        except _StaleError:
            raise
        except RetryError as error:
            if turn + 1 == ATTEMPTS:
                raise RetryError(f"{what}: others were first {ATTEMPTS} times; try again ({error})") from error
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 0.01 * 2**turn)))  # noqa: S311 - spreads load
    raise RetryError(what)
