"""The moves a release can make, and how to tell which one an edit is. Pure.

A release file changes only by these moves, so that what main says always came about by a command whose pull request
carried its evidence: promote, advance, retire, rollback, and changing the canary plan while no canary is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.plan import Move, ReleaseChange
from bighead_ci.documents.release import ALL, Release, Variant, release_path
from bighead_ci.errors import BugError, InputError, Problem


def promoted(release: Release | None, candidate: Variant, plan: CanaryPlan) -> Release:
    """The release once a candidate is brought in: alone if it is the first or the plan is one step, else as a canary.

    Args:
        release: What serves now; None if nothing does.
        candidate: The variant to bring in; its weight is set here.
        plan: The environment's canary plan, which the release carries from now on.

    Raises:
        InputError: a canary is under way, or this very version and artifact serves already.
    """
    first = plan.steps[0]
    if release is None or (release.candidate is None and first == ALL and release.stable.name != candidate.name):
        return Release(variants=[_weighted(candidate, ALL)], canary=plan)
    if release.candidate is not None:
        raise InputError(
            f"a canary of {release.candidate.name} is under way at {release.candidate.weight} %: "
            "let `bighead advance` finish it, or take it back with `bighead rollback`"
        )
    if release.stable.name == candidate.name:
        raise InputError(f"{candidate.name} serves already")
    return Release(variants=[_weighted(release.stable, ALL - first), _weighted(candidate, first)], canary=plan)


def advanced(release: Release) -> Release:
    """The canary's next step; at 100 the old variant stays with weight 0, so that it can take the traffic back at once.

    Raises:
        InputError: no canary is under way, or it has all the traffic.
    """
    stable, candidate = _canary(release)
    later = [step for step in release.canary.steps if step > candidate.weight]
    if not later:
        raise InputError(f"{candidate.name} has all the traffic: the next move is to retire {stable.name}")
    return _with(release, _weighted(stable, ALL - later[0]), _weighted(candidate, later[0]))


def retired(release: Release) -> Release:
    """The old variant leaves; only once the new one has all the traffic.

    Raises:
        InputError: no canary is under way, or the old variant still has traffic.
    """
    stable, candidate = _canary(release)
    if candidate.weight != ALL:
        raise InputError(f"{stable.name} still has {stable.weight} % of the traffic and cannot be retired")
    return _with(release, candidate)


def aborted(release: Release) -> Release:
    """The candidate leaves, and the old variant has all the traffic again.

    Raises:
        InputError: no canary is under way.
    """
    stable, _ = _canary(release)
    return _with(release, _weighted(stable, ALL))


def classify(
    environment: str, model: str, base: Release | None, head: Release | None, history: Sequence[Release]
) -> ReleaseChange:
    """Which move an edit of a release is.

    Args:
        environment: Where.
        model: Which model.
        base: The release before; None if there was none.
        head: The release after; None if it is removed.
        history: Earlier contents of this release; going back to one is a rollback.

    Raises:
        InputError: it is none of the legal moves; says what is allowed and which command does it.
    """
    edit = _Edit(environment, model, base, head)
    if head is None:
        if base is None:
            raise BugError(f"no release of {model} in {environment}, before or after")
        return edit.change("remove", f"{_names(base)} no longer serves")
    if base is None:
        if head != promoted(None, head.variants[-1], head.canary):
            raise edit.refused("a first release has one variant with all the traffic", "promote")
        return edit.change("promote", f"{head.stable.version} is the first to serve")
    if head.variants == base.variants:
        return _settings(edit, base, head)
    return _canary_move(edit, base, head) or _way_back(edit, base, head, history) or _promotion(edit, base, head)


def removal_of_unreadable(environment: str, model: str) -> ReleaseChange:
    """The move that takes away a release which could not be read."""
    return _Edit(environment, model, None, None).change("remove", "a release that could not be read is removed")


@dataclass(frozen=True)
class _Edit:
    """An edit of one release file."""

    environment: str
    model: str
    base: Release | None
    head: Release | None

    def change(self, move: Move, description: str) -> ReleaseChange:
        """The edit as this move; its weights are those of the variant that comes in, or else of the newest before."""
        newest = self.head if move == "promote" else self.base or self.head
        name = newest.variants[-1].name if newest else ""
        return ReleaseChange(
            environment=self.environment,
            model=self.model,
            move=move,
            description=description,
            weight_before=_weight(self.base, name),
            weight_after=_weight(self.head, name),
        )

    def refused(self, allowed: str, *commands: str) -> InputError:
        by = {
            "promote": f"bighead promote {self.model} --to {self.environment}",
            "advance": "bighead advance",
            "rollback": f"bighead rollback {self.model} --env {self.environment}",
        }
        file = release_path(self.environment, self.model)
        message = "this edit is no move that a release can make; releases are edited by commands, not by hand"
        said = " or ".join(f"`{by[command]}`" for command in commands)
        return InputError(
            [Problem(file, None, "variants", message, None, f"{allowed}; done by {said}" if said else allowed)]
        )


def _settings(edit: _Edit, base: Release, head: Release) -> ReleaseChange:
    if head == base:
        return edit.change("settings", "the file's wording changes, its meaning does not")
    if base.candidate is not None:
        raise edit.refused("canary may change only while no canary is under way", "advance", "rollback")
    steps = f"{_steps(base.canary)} → {_steps(head.canary)}" if base.canary.steps != head.canary.steps else "same steps"
    return edit.change("settings", f"canary plan changes ({steps})")


def _canary_move(edit: _Edit, base: Release, head: Release) -> ReleaseChange | None:
    """Advance, retire or abort, if the edit is one."""
    if base.candidate is None:
        return None
    old, new = base.stable, base.candidate
    if new.weight < ALL and head == advanced(base):
        weight = head.candidate.weight if head.candidate else ALL
        return edit.change("advance", f"{new.version} {new.weight} % → {weight} %")
    if new.weight == ALL and head == retired(base):
        return edit.change("retire", f"{old.version} leaves, {new.version} serves alone")
    if head == aborted(base):
        return edit.change("rollback", f"canary of {new.version} ends, {old.version} serves alone")
    return None


def _way_back(edit: _Edit, base: Release, head: Release, history: Iterable[Release]) -> ReleaseChange | None:
    """A rollback, if the edit restores what was.

    A canary is never started again this way, nor given more traffic: that takes a promotion's gates.
    """
    was = any(earlier.variants == head.variants and head.canary in (earlier.canary, base.canary) for earlier in history)
    if not was:
        return None
    if head.candidate is not None:
        now = {variant.name: variant.weight for variant in base.variants}
        if head.candidate.weight > now.get(head.candidate.name, 0):
            return None
    return edit.change("rollback", f"{_names(base)} → {_names(head)}")


def _promotion(edit: _Edit, base: Release, head: Release) -> ReleaseChange:
    if base.candidate is not None:
        steps = _steps(base.canary)
        raise edit.refused(
            f"a canary of {base.candidate.version} is under way: its next step of {steps}, its end, "
            "or an earlier content of this file",
            "advance",
            "rollback",
        )
    incoming = head.variants[-1]
    if incoming.name == base.stable.name or head != promoted(base, incoming, head.canary):
        first = head.canary.steps[0]
        raise edit.refused(
            f"a new variant beside {base.stable.version} with {first} % of the traffic and nothing else changed, "
            "or an earlier content of this file",
            "promote",
            "rollback",
        )
    start = "all traffic at once" if head.candidate is None else f"canary {incoming.weight} %"
    if incoming.version == base.stable.version:
        return edit.change("promote", f"{base.stable.name} → {incoming.name} ({start})")
    return edit.change("promote", f"{base.stable.version} → {incoming.version} ({start})")


def _canary(release: Release) -> tuple[Variant, Variant]:
    if release.candidate is None:
        raise InputError(f"no canary is under way: {release.stable.name} serves alone")
    return release.stable, release.candidate


def _with(release: Release, *variants: Variant) -> Release:
    return Release(variants=list(variants), canary=release.canary)


def _weighted(variant: Variant, weight: int) -> Variant:
    return variant.model_copy(update={"weight": weight})


def _weight(release: Release | None, name: str) -> int:
    return sum(variant.weight for variant in release.variants if variant.name == name) if release else 0


def _names(release: Release) -> str:
    if release.candidate is None:
        return release.stable.version
    return ", ".join(f"{variant.version} {variant.weight} %" for variant in release.variants)


def _steps(plan: CanaryPlan) -> str:
    return " → ".join(f"{step} %" for step in plan.steps)
