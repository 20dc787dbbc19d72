"""How fast a cluster follows what is merged, and what callers see of it.

A repository of ours is applied by Flux to a namespace of its own on the cluster that KUBECONFIG names, behind its
Gateway. What serves is not a model but a small server with a model's probes and counters, so that the figures are of
git, Flux, the Gateway and our waiting. Four callers ask without pause. Times run from before `git push` begins:

- in force: the Gateway has taken the weights over, as `bighead reconcile` sees it;
- answered: the last answer that any caller got from the version that lost its traffic.

The peer in the same run is the floor: the weights of the same HTTPRoute patched by hand, without git and Flux.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import outcome
from bighead_ci.documents.live import DesiredModel, DesiredVariant
from bighead_ci.platforms.kubernetes.api import HTTP_ROUTE
from fakes.cluster_bench import GATEWAY_URL, required
from fakes.flux_bench import FluxBench
from fakes.gateway_load import Answers, asking
from fakes.local_bench import desired, weighted
from fakes.waiting import until

REPEATS = 5
READY_SECONDS = 120.0
SETTLED_SECONDS = 1.5
"""Without an answer from a version, after which it is taken to get no more."""
POLLED_INTERVAL = "15s"


class Played:
    """Two versions of a model, and what is done to them."""

    def __init__(self, bench: FluxBench) -> None:
        self.bench = bench
        self.one, self.two = (bench.variant(version) for version in ("v1", "v2"))
        bench.platform.start()
        for variant in (self.one, self.two):
            if not bench.platform.ensure_variant(variant, READY_SECONDS):
                raise TimeoutError(f"{variant.name} is not ready")

    def split(self, candidate: int) -> DesiredModel:
        """With so much for the second version."""
        return desired(weighted(self.one, 100 - candidate), weighted(self.two, candidate))

    def merged(self, candidate: int) -> float:
        """Push these weights, and wait until they are in force; seconds."""
        began = time.monotonic()
        self.bench.merge(self.split(candidate))
        self.bench.platform.route(self.split(candidate))
        return time.monotonic() - began

    def reverted(self, answers: Answers) -> tuple[float, float]:
        """All traffic to the second version, taken back by a revert: seconds to (in force, answered)."""
        self.merged(100)
        silent(answers, "v1")
        began = time.monotonic()
        self.bench.revert("tiny")
        self.bench.platform.route(self.split(0))
        in_force = time.monotonic() - began
        silent(answers, "v2")
        return in_force, answers.last["v2"] - began

    def polled(self) -> float:
        """Push, tell nobody, and look until the weights are in force; seconds."""
        wanted = {self.one.name: 40, self.two.name: 60}
        began = time.monotonic()
        self.bench.merge(self.split(60))
        until(lambda: self._in_force() == wanted, seconds=90)
        return time.monotonic() - began

    def patched(self, candidate: int) -> float:
        """The weights set by hand, and nothing else; seconds until they are in force."""
        wanted = {v.name: v.weight for v in self.split(candidate).variants}
        operations = [
            f'{{"op": "replace", "path": "/spec/rules/0/backendRefs/{index}/weight", "value": {weight}}}'
            for index, weight in enumerate(wanted.values())
        ]
        began = time.monotonic()
        patch = f"[{','.join(operations)}]"
        self.bench.kubectl("-n", self.bench.namespace, "patch", HTTP_ROUTE.kind, "tiny", "--type=json", "-p", patch)
        until(lambda: self._in_force() == wanted)
        return time.monotonic() - began

    def rolled_out(self, answers: Answers) -> int:
        """A canary in three steps and back again: requests that failed meanwhile."""
        before = answers.failed
        for weight in (10, 50, 100, 50, 0):
            self.merged(weight)
            time.sleep(SETTLED_SECONDS)
        return answers.failed - before

    def _in_force(self) -> dict[str, int]:
        return {v.name: v.weight for m in self.bench.platform.observe() for v in m.variants}


def silent(answers: Answers, version: str) -> None:
    """Wait until a version has answered nobody for a while."""
    until(lambda: time.monotonic() - answers.last.get(version, 0.0) > SETTLED_SECONDS)


def variants_replaced(played: Played, answers: Answers) -> int:
    """A third version comes in and the second leaves, pods and all, under load: requests that failed meanwhile."""
    bench, before = played.bench, answers.failed
    played.merged(100)
    three: DesiredVariant = bench.variant("v3")
    bench.platform.ensure_variant(three, READY_SECONDS)
    wanted = desired(weighted(played.one, 0), weighted(played.two, 0), weighted(three, 100))
    bench.merge(wanted)
    bench.platform.route(wanted)
    bench.drop("tiny", played.two.name)
    bench.platform.remove_variants("tiny", [played.one.name, three.name])
    time.sleep(2 * SETTLED_SECONDS)
    return answers.failed - before


def measure() -> outcome.Found:
    """All of it, on the cluster that KUBECONFIG names."""
    url = required(GATEWAY_URL)
    with tempfile.TemporaryDirectory() as state:
        bench = FluxBench(Path(state), POLLED_INTERVAL)
        bench.begin()
        try:
            return _measure(bench, url)
        finally:
            bench.end()


def _measure(bench: FluxBench, url: str) -> outcome.Found:
    played = Played(bench)
    played.merged(0)
    bench.suspend(True)
    patched = [played.patched(weight) for weight in (10, 50, 90, 50, 10)[:REPEATS]]
    bench.suspend(False)
    bench.platform.mend("tiny")
    with asking(url, bench.definition.gateway.host) as answers:
        until(lambda: answers.seen["200 v1"] > 100)
        notified = [played.merged(weight) for weight in (10, 50, 90, 50, 0)[:REPEATS]]
        reverts = [played.reverted(answers) for _ in range(REPEATS)]
        failed = played.rolled_out(answers)
        polled = [played.polled()]
        played.merged(0)
        replaced = variants_replaced(played, answers)
        everything = sum(answers.seen.values())
    revert_seconds = statistics.median(answered for _, answered in reverts)
    figures: dict[str, Any] = {
        "push_to_in_force_notified_s": _seconds(notified),
        "push_to_in_force_polled_s": _seconds(polled),
        "polled_every": POLLED_INTERVAL,
        "revert_to_in_force_s": _seconds([in_force for in_force, _ in reverts]),
        "revert_to_last_answer_of_the_other_s": _seconds([answered for _, answered in reverts]),
        "floor_route_patched_by_hand_s": _seconds(patched),
        "failed_requests_roll_out_and_back": failed,
        "failed_requests_variants_replaced": replaced,
        "requests": everything,
        "answers": dict(answers.seen),
    }
    bars = {
        "push_to_in_force_notified_s": (round(statistics.median(notified), 2), 3.0),
        "revert_to_old_version_s": (round(revert_seconds, 2), 3.0),
        "failed_requests": (failed + replaced, 0),
    }
    return figures, bars


def _seconds(found: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(found), 2), "worst": round(max(found), 2), "runs": len(found)}


if __name__ == "__main__":
    outcome.run("cluster", __doc__.splitlines()[0], measure)
