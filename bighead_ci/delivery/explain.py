"""What one gate of main says of a record, of what a pull request brings, or of a canary under way, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bighead_ci.definitions.files import place_of
from bighead_ci.delivery.build import record_of
from bighead_ci.delivery.canary import analyse_canary
from bighead_ci.delivery.comparison import compare, drift
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.gates import judge_canary, judge_promotion, judge_pull_request
from bighead_ci.delivery.history import past_releases, release_in
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.proposal import Proposal
from bighead_ci.delivery.running import running_versions
from bighead_ci.documents.record import RunRecord
from bighead_ci.documents.release import Release
from bighead_ci.documents.verdict import GateDefinition, GateResult, Occasion, Verdict
from bighead_ci.errors import InputError
from bighead_ci.planning.change import planned_models
from bighead_ci.planning.releases import classify
from bighead_ci.ports.tree import Tree
from bighead_ci.words import closest

WAYS: dict[Occasion, str] = {
    "pull_request": "--model flight_delay/v2, or --pr with a number",
    "promotion": "--pr with the number of a promotion",
    "canary": "--canary prod --model flight_delay",
}
"""Occasion → how to ask."""


class Explained(GateResult):
    """A gate's verdict on one thing."""

    about: str
    """What was judged: `flight_delay/v2`, `promote flight_delay in prod: v1 → v2`."""
    variables: dict[str, str]
    """Name → CEL, as the gate defines them."""


def explain(
    context: Context, name: str, model_version: str | None, number: int | None, canary: str | None
) -> list[Explained]:
    """One gate's verdict on a record, on what a pull request brings, or on a canary under way.

    Raises:
        InputError: no such gate, or nothing that it is about.
    """
    main = context.main()
    asked = _Asked(context, main, _gate(main.gates, name))
    if number is not None and (model_version is not None or canary is not None):
        raise InputError("--pr says what to judge: give no --model and no --canary beside it")
    if canary is not None:
        found = list(asked.canary(canary, (model_version or "").split("/")[0]))
    elif number is not None:
        found = list(asked.pull_request(number))
    elif model_version is not None and "/" not in model_version:
        raise InputError(f"--model {model_version} names no version: {model_version}/v1; or give --canary beside it")
    elif model_version is not None:
        record = record_of(context, main.tree, *model_version.split("/", 1))
        found = list(asked.records({model_version: record}))
    else:
        raise InputError("say what to judge: --model flight_delay/v2, --pr 3, or --canary prod --model flight_delay")
    if not found:
        ways = "; or ".join(WAYS[occasion] for occasion in asked.gate.on)
        raise InputError(f"gate {name!r} is not about this (on: {', '.join(asked.gate.on)}); try {ways}")
    return found


def _gate(gates: Sequence[GateDefinition], name: str) -> GateDefinition:
    found = {gate.name: gate for gate in gates}
    if name not in found:
        meant = closest(name, found)
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise InputError(f"there is no gate {name!r} in policies/ on main; gates: {', '.join(found)}{hint}")
    return found[name]


@dataclass(frozen=True)
class _Asked:
    """One gate of main, and main as it is."""

    context: Context
    main: Main
    gate: GateDefinition

    def records(self, records: Mapping[str, RunRecord | None]) -> Iterator[Explained]:
        """Records by model version."""
        if "pull_request" not in self.gate.on:
            return
        missing = sorted(name for name, record in records.items() if record is None)
        if missing:
            raise InputError(f"no record yet of {', '.join(missing)}")
        for name, record in records.items():
            if record is not None:
                running = running_versions(self.context, self.main.desired, record.model)
                found = compare(self.context, record, running).differences
                moved = drift(self.context, record, running)
                verdict = judge_pull_request([self.gate], self.main.desired, record, found, running, moved)
                yield from self._explained(name, verdict)

    def pull_request(self, number: int) -> Iterator[Explained]:
        """The model versions and the releases that a pull request changes."""
        context = self.context
        pull = context.forge.get(number)
        proposal = Proposal(context, pull, self.main)
        planned = planned_models(self.main.tree, proposal.tree, context.engine)
        yield from self.records({one.id: context.records.by_content_key(one.content_key) for one in planned})
        for place in map(place_of, proposal.paths):
            if place is not None and place.kind == "release":
                yield from self._release(place.of, place.name, proposal.tree)

    def _release(self, environment: str, model: str, head: Tree) -> Iterator[Explained]:
        context = self.context
        old, new = (release_in(tree, environment, model) for tree in (self.main.tree, head))
        if new is None:
            return  # nothing comes in
        change = classify(environment, model, old, new, past_releases(self.main, environment, model))
        about = f"{change.move} {model} in {environment}: {change.description}"
        if change.move == "promote":
            incoming = new.newest
            record = context.records.by_run(incoming.run)
            running = running_versions(context, self.main.desired, model)
            found = compare(context, record, running).differences if record else []
            moved = drift(context, record, running) if record else None
            verdict = judge_promotion(
                context, [self.gate], self.main, change, record, incoming.weight, running, found, moved
            )
            yield from self._explained(about, verdict)
        elif change.move in {"advance", "retire"} and old is not None and "canary" in self.gate.on:
            yield from self._canary(about, environment, model, old)

    def canary(self, environment: str, model: str) -> Iterator[Explained]:
        """The canary under way, or the new variant beside its standby, with the figures of this moment."""
        release = self.main.desired.release(environment, model)
        if release is None or len(release.variants) == 1:
            raise InputError(f"no canary of {model or 'any model (give --model)'} is under way in {environment}")
        if "canary" in self.gate.on:
            yield from self._canary(f"canary of {model} in {environment}", environment, model, release)

    def _canary(self, about: str, environment: str, model: str, release: Release) -> Iterator[Explained]:
        analysis = analyse_canary(self.context, self.main.desired, environment, model, release)
        yield from self._explained(about, judge_canary([self.gate], analysis, release.canary))

    def _explained(self, about: str, verdict: Verdict) -> Iterator[Explained]:
        for result in verdict.gates:
            yield Explained(**dict(result), about=about, variables=self.gate.variables)
