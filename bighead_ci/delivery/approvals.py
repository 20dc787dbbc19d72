"""How many people must approve a pull request, who counts, and the check that says whether they do.

The number follows from what the change means, never from what somebody wrote on the pull request.
"""

from __future__ import annotations

from dataclasses import dataclass

from bighead_ci.definitions.files import place_of
from bighead_ci.delivery.checks import APPROVALS
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import HOW_TO_MEND, Desired
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.delivery.release_files import release_of
from bighead_ci.documents.forge import BOT, PullRequest, PullRequestSummary, person
from bighead_ci.documents.plan import Plan, ReleaseChange
from bighead_ci.documents.report import ApprovalRule
from bighead_ci.errors import InputError
from bighead_ci.ports.forge import Forge


@dataclass(frozen=True)
class Approvals:
    """Who approves a head, and how many must."""

    by: list[str]
    needed: int

    @property
    def enough(self) -> bool:
        """Whether nobody else has to approve."""
        return len(self.by) >= self.needed

    @property
    def words(self) -> str:
        """`1 of 2: grace`."""
        people = f": {', '.join(self.by)}" if self.by else ""
        return f"{len(self.by)} of {self.needed}{people}" if self.needed else "nobody has to approve it"


def approvals_needed(desired: Desired, change: ReleaseChange) -> tuple[int, str]:
    """How many people must approve a move of a release, and why."""
    environment = desired.environment(change.environment)
    if change.move in {"promote", "settings", "remove"}:
        return environment.approvals, f"environments/{change.environment}/environment.yaml: approvals"
    if change.move == "advance" and change.weight_after > environment.canary.person_above:
        return 1, f"weight {change.weight_after} % is above canary.person_above {environment.canary.person_above} %"
    return 0, "authorised by the approved promotion" if change.move != "rollback" else "a rollback needs nobody"


def approval_rules(main: Main, plan: Plan) -> list[ApprovalRule]:
    """How many people must approve all that a plan holds, and why; the largest number holds, and stands first.

    One at least, unless it is nothing but moves of releases. What loosens a rule needs what the rule needed: a change
    of an environment's own file the number that main has, and one of a gate, which guards them all, the largest of all.
    So does a change of an environment that nobody can read on main.

    Args:
        main: As it would judge the change (`Main.mended_by`).
        plan: Of the change.

    Raises:
        InputError: a gate changes, and how many an environment asks for cannot be read.
    """
    desired = main.desired
    releases = {(change.environment, change.model): change for change in plan.releases}
    moves = [approvals_needed(desired, change) for change in releases.values()]
    found = [ApprovalRule(people=people, because=because) for people, because in moves]
    touched = {place for file in plan.files if (place := place_of(file.path))}
    named = {place.name: place.file for place in touched if place.kind == "environment"}
    gates = sorted(place.file for place in touched if place.kind == "gate")
    for error in desired.unreadable_environments.values() if gates else ():
        raise error.saying(f"so nobody can tell how many must approve a change of {', '.join(gates)}; {HOW_TO_MEND}")
    broken = [file for file in named.values() if file in main.mended]
    for name, one in desired.environments.items():
        if name in named and not broken:
            why = f"{named[name]} changes, and main's asks for as many: what loosens a rule needs what the rule needed"
            found.append(ApprovalRule(people=one.approvals, because=why))
        if broken:
            why = (
                f"{', '.join(broken)} could not be read on main: as many as the strictest environment, {name}, asks for"
            )
            found.append(ApprovalRule(people=one.approvals, because=why))
        if gates:
            why = f"{', '.join(gates)} changes: gates guard every environment, and {name} asks for as many"
            found.append(ApprovalRule(people=one.approvals, because=why))
    if not found or any(release_of(file.path) not in releases for file in plan.files):
        found.append(ApprovalRule(people=1, because="more than moves of releases changes"))
    return sorted(found, key=lambda rule: -rule.people)


def approvers(forge: Forge, pull: PullRequest) -> list[str]:
    """Who approves the head and may: not its author, not the bot, nobody who made or pushed a commit on it."""
    approving = pull.approvals()
    if not approving:
        return []
    excluded = {person(one) for one in (pull.author, BOT, *forge.contributors(pull.number))}
    return [one for one in approving if person(one) not in excluded]


def count_approvals(context: Context, pull: PullRequestSummary, main: Main) -> Approvals:
    """Who approves a pull request against main as it is, and how many must.

    Raises:
        InputError: what it would change is not allowed, or conflicts with main.
    """
    proposal = Proposal(context, pull, main)
    needed = approval_rules(main.mended_by(proposal.tree, proposal.paths), proposal.plan)[0].people
    return Approvals(approvers(context.forge, context.forge.get(pull.number)), needed)


def set_approvals(context: Context, pull: PullRequestSummary, main: Main) -> Approvals | None:
    """Say on the head whether enough people approve; None, and pending, where that cannot be told yet."""
    try:
        found = count_approvals(context, pull, main)
    except InputError as error:
        context.forge.set_check(pull.head, APPROVALS, "pending", f"cannot be told yet: {error}", main.commit)
        return None
    context.forge.set_check(pull.head, APPROVALS, "success" if found.enough else "pending", found.words, main.commit)
    return found


def review(context: Context, number: int, *, approved: bool) -> PullRequest:
    """Approve or refuse the present head as whoever acts, and say whether that is enough.

    Raises:
        InputError: it is no longer open, or one's own.
    """
    context.forge.review(number, approved=approved)
    pull = context.forge.get(number)
    set_approvals(context, pull, context.main(pull.target))
    return pull
