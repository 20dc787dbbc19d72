"""The moves a release can make, and how to tell which one an edit is. Pure.

A release file changes only by these moves, so that what main says always came about by a command whose pull request
carried its evidence: promote, advance, retire, rollback, changing the canary plan while no canary is under way, remove.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.plan import Move, ReleaseChange
from bighead_ci.documents.release import ALL, Release, Variant, release_path
from bighead_ci.errors import BugError, InputError, Problem


def promoted(release: Release | None, candidate: Variant, plan: CanaryPlan, *, at_rest: bool = False) -> Release:
    """The release once a candidate is brought in: alone if it is the first, else beside what serves.

    It starts with the plan's first step. If that is all the traffic, what served is the standby at once. An earlier
    standby leaves.

    Args:
        release: What serves now; None if nothing does.
        candidate: The variant to bring in; its weight is set here.
        plan: The environment's canary plan, which the release carries from now on.
        at_rest: It comes in without traffic, and gets the first step's once it is ready: where whoever applies files
            applies all of a commit at once.

    Raises:
        InputError: a canary is under way, or this very version, artifact and image serves already.
    """
    if release is None:
        return Release(variants=[_weighted(candidate, ALL)], canary=plan)
    if release.candidate is not None:
        raise InputError(
            f"a canary of {release.candidate.name} is under way at {release.candidate.weight} %: "
            "let `bighead advance` finish it, or take it back with `bighead rollback`"
        )
    if release.stable.name == candidate.name:
        raise InputError(f"{candidate.name} serves already")
    first = 0 if at_rest else plan.steps[0]
    return Release(variants=[_weighted(release.stable, ALL - first), _weighted(candidate, first)], canary=plan)


def advanced(release: Release) -> Release:
    """The canary's next step; at 100 the old variant stays with weight 0, so that it can take the traffic back at once.

    Raises:
        InputError: no canary is under way.
    """
    candidate = release.candidate
    if candidate is None:
        raise InputError(f"no canary is under way: {release.stable.name} has all the traffic")
    step = next(step for step in release.canary.steps if step > candidate.weight)
    return _with(release, _weighted(release.stable, ALL - step), _weighted(candidate, step))


def retired(release: Release) -> Release:
    """The standby leaves.

    Raises:
        InputError: there is none, for instance because a canary is under way.
    """
    if release.standby is None:
        names = ", ".join(f"{variant.name} {variant.weight} %" for variant in release.variants)
        raise InputError(f"there is no variant without traffic to retire: {names}")
    return _with(release, release.newest)


def aborted(release: Release) -> Release:
    """The newest variant leaves, and the older one has all the traffic again.

    Raises:
        InputError: there is only one.
    """
    if len(release.variants) == 1:
        raise InputError(f"{release.stable.name} serves alone: there is no other variant to give the traffic to")
    return _with(release, _weighted(release.oldest, ALL))


def without_standby(release: Release) -> Release:
    """The release with only the variants that have traffic."""
    return retired(release) if release.standby is not None else release


def is_later_step(before: Release, after: Release) -> bool:
    """Whether a release is what the same canary comes to: by its next steps, or by the leaving of what stands by."""
    step: Release | None = before
    while step is not None and step != after:
        step = _next_step(step)
    return step is not None and after != before


def _next_step(release: Release) -> Release | None:
    if release.candidate is not None:
        return advanced(release)
    return retired(release) if release.standby is not None else None


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
        return _first(edit, head, history)
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
            [
                Problem(
                    file=file,
                    subject="variants",
                    message=message,
                    allowed=f"{allowed}; done by {said}" if said else allowed,
                )
            ]
        )


def _first(edit: _Edit, head: Release, history: Sequence[Release]) -> ReleaseChange:
    if head.candidate is None and head in history:
        return edit.change("rollback", f"{_names(head)} serves again")
    if head != promoted(None, head.newest, head.canary):
        raise edit.refused("a first release has one variant with all the traffic", "promote")
    return edit.change("promote", f"{head.stable.version} is the first to serve")


def _settings(edit: _Edit, base: Release, head: Release) -> ReleaseChange:
    if head == base:
        return edit.change("settings", "the file's wording changes, its meaning does not")
    if base.candidate is not None:
        raise edit.refused("canary may change only while no canary is under way", "advance", "rollback")
    steps = f"{_steps(base.canary)} → {_steps(head.canary)}" if base.canary.steps != head.canary.steps else "same steps"
    return edit.change("settings", f"canary plan changes ({steps})")


def _canary_move(edit: _Edit, base: Release, head: Release) -> ReleaseChange | None:
    """Advance, retire or abort, if the edit is one."""
    if base.candidate is not None and head == advanced(base):
        before = base.candidate
        return edit.change("advance", f"{base.called(before)} {before.weight} % → {head.newest.weight} %")
    if base.standby is not None and head == retired(base):
        return edit.change("retire", f"{base.called(base.standby)} leaves, {base.called(base.stable)} serves alone")
    if len(base.variants) > 1 and head == aborted(base):
        if base.standby is not None:
            return edit.change("rollback", _from_to(base.newest, base.oldest))
        ends, serves = base.called(base.newest), base.called(base.oldest)
        return edit.change("rollback", f"canary of {ends} ends, {serves} serves alone")
    return None


def _way_back(edit: _Edit, base: Release, head: Release, history: Iterable[Release]) -> ReleaseChange | None:
    """A rollback, if the edit restores what was, with its standby or without.

    A canary is never started again this way, nor given more traffic: that takes a promotion's gates.
    """
    was = any(
        head.variants in (earlier.variants, without_standby(earlier).variants)
        and head.canary in (earlier.canary, base.canary)
        for earlier in history
    )
    if not was:
        return None
    canaries = [one.candidate.name for one in (base, head) if one.candidate is not None]
    if any(_weight(head, name) > _weight(base, name) for name in canaries):
        return None
    if head.standby is not None and head.stable == base.stable:
        ready, serves = head.called(head.standby), head.called(head.stable)
        return edit.change("rollback", f"{ready} is kept ready again beside {serves}")
    if base.candidate is None and head.candidate is None:
        return edit.change("rollback", _from_to(base.stable, head.stable))
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
    incoming = head.newest
    differs = incoming.name != base.stable.name
    ways = [promoted(base, incoming, head.canary, at_rest=rests) for rests in (False, True)] if differs else []
    if head not in ways:
        first = head.canary.steps[0]
        raise edit.refused(
            f"a new variant beside {base.stable.version} with {first} % of the traffic, or none, and nothing else "
            "changed, "
            "or an earlier content of this file",
            "promote",
            "rollback",
        )
    return edit.change("promote", f"{_from_to(base.stable, incoming)} ({_start(head)})")


def _start(release: Release) -> str:
    if release.candidate is None:
        return "all traffic at once"
    weight = release.candidate.weight
    return f"canary {weight} %" if weight else f"no traffic until it is ready, then {release.canary.steps[0]} %"


def _with(release: Release, *variants: Variant) -> Release:
    return Release(variants=list(variants), canary=release.canary)


def _weighted(variant: Variant, weight: int) -> Variant:
    return variant.model_copy(update={"weight": weight})


def _weight(release: Release | None, name: str) -> int:
    return sum(variant.weight for variant in release.variants if variant.name == name) if release else 0


def _from_to(old: Variant, new: Variant) -> str:
    """`v1 → v2`; two artifacts or images of one version by their names."""
    return f"{old.name} → {new.name}" if old.version == new.version else f"{old.version} → {new.version}"


def _names(release: Release) -> str:
    return release.stable.version if release.candidate is None else release.split


def _steps(plan: CanaryPlan) -> str:
    return " → ".join(f"{step} %" for step in plan.steps)
