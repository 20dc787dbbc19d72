"""The demonstration: the five journeys on a scratch workspace, with nothing simulated."""

from __future__ import annotations

import time

from bighead_ci.delivery.online_sets import stale_sets
from bighead_ci.delivery.status import status
from bighead_ci.demo.steps import Steps, alone, head_of
from bighead_ci.documents.release import ALL

WORSE = {"trees: 100": "trees: 4"}
"""An edit of v2's model.yaml that makes it clearly worse."""
RENAMED = {
    "  tailnum:\n    type: string\n": "  tail_number:\n    column: tailnum\n    type: string\n",
    "  - set: tail_history/v1\n": "  - set: tail_history/v1\n    keys: {tailnum: tail_number}\n",
}
"""An edit that changes no metric; live callers still send `tailnum`, so the aircraft's history is never found."""


class Ship(Steps):
    """Plays the chapters in order."""

    def play(self) -> None:
        """All chapters."""
        self.features()
        self.two_pull_requests()
        self.merge_and_promote()
        self.better_version()
        self.canary()
        self.worse_version()
        self.misbehaving_version()
        self.revert()
        self.questions()
        self.facts.write(self.context.workspace.state / "ship.json")

    def features(self) -> None:
        """The runner materialises main's feature sets by itself."""
        n = self.narrator
        n.tell("the runner imports the sources (DVC) and materialises features up to the workspace's moment …")
        n.wait("online features", lambda: not stale_sets(self.context, self.context.main()) or None)

    def two_pull_requests(self) -> None:
        """Two models in two concurrent pull requests."""
        n = self.narrator
        n.chapter("1  A pull request ships a model (two at once: scikit-learn on flights, torch on digits)")
        first = self.open_version(
            "flight-delay-v1",
            "models/flight_delay/v1",
            "flight_delay v1: scheduled facts only",
            who="ada",
        )
        second = self.open_version(
            "digit-reader-v1",
            "models/digit_reader/v1",
            "digit_reader v1: a small network",
            who="linus",
        )
        for number in (first, second):
            self.await_check(number)
        self.first, self.second = first, second

    def merge_and_promote(self) -> None:
        """Merge opens promotion PRs to staging; approve, merge, reconcile; then prod."""
        n = self.narrator
        n.chapter("2  Merge opens a promotion PR to staging; approve and merge, and staging serves")
        for number in (self.first, self.second):
            self.approve_and_merge(number)
        for model in ("flight_delay", "digit_reader"):
            self.release(model, "staging", "v1")
        for model in ("flight_delay", "digit_reader"):
            self.promote(model, "prod", "v1")

    def better_version(self) -> None:
        """v2 is compared with what each environment runs now."""
        n = self.narrator
        n.chapter("1  again: flight_delay v2 adds windowed features; its report compares with what runs now")
        number = self.open_version(
            "flight-delay-v2",
            "models/flight_delay/v2",
            "flight_delay v2: what carrier, origin and aircraft did lately",
            who="ada",
        )
        self.await_check(number)
        self.approve_and_merge(number)
        self.release("flight_delay", "staging", "v2")

    def canary(self) -> None:
        """Promotion to prod under traffic: 10, 50, 100, and the old variant leaves."""
        n = self.narrator
        n.chapter("3  A promotion PR to prod starts a canary, under traffic")
        with self.traffic("v2") as traffic:
            time.sleep(1.0)
            self.promote("flight_delay", "prod", "v2")
            for weight in (10, 50, 100):
                self.watch_weight(traffic, "v2", weight)
            self.until("the old variant leaves in a later commit", lambda r: alone(r, "v2"))
            summary = traffic.stop()
        self.note(
            canary_requests=summary.requests,
            canary_failed=summary.failed,
            canary_p50_ms=summary.p50_ms,
            canary_p95_ms=summary.p95_ms,
        )
        n.tell(
            f"{summary.requests} requests over all changes of weight, {summary.failed} failed; "
            f"p50 {summary.p50_ms} ms, p95 {summary.p95_ms} ms"
        )

    def worse_version(self) -> None:
        """A v3 with worse metrics fails on its pull request."""
        n = self.narrator
        n.chapter("4  A bad model does not get through: worse metrics fail on the pull request")
        number = self.open_edited(
            "flight-delay-v3-worse", WORSE, "flight_delay v3: fewer trees, faster training", "mallory"
        )
        self.await_check(number, expected="failure")
        n.bighead("pr", "close", str(number), who="mallory")

    def misbehaving_version(self) -> None:
        """A v3 that passes offline and misbehaves live is stopped by canary analysis."""
        n = self.narrator
        n.chapter("4  … and one that passes offline but misbehaves live is stopped by canary analysis")
        number = self.open_edited("flight-delay-v3", RENAMED, "flight_delay v3: a tidier name for tailnum", "ada")
        self.await_check(number)
        self.approve_and_merge(number)
        self.release("flight_delay", "staging", "v3")
        with self.traffic("v2") as traffic:
            time.sleep(1.0)
            self.promote("flight_delay", "prod", "v3")
            began = time.monotonic()
            self.until("canary analysis stops v3", lambda r: alone(r, "v2"))
            merged = time.monotonic()
            n.wait("all traffic on v2", lambda: self.live_weight("prod", "v2") == ALL or None)
            self.note(abort_seconds=round(time.monotonic() - merged, 2))
            n.tell(
                f"stopped after {merged - began:.0f} s; all traffic back on v2 {time.monotonic() - merged:.1f} s "
                "after the merge of the revert"
            )
            summary = traffic.stop()
            n.tell(f"{summary.requests} requests meanwhile, {summary.failed} failed")
        revert = self.context.forge.find(state="merged", label="bighead/release/rollback")[0]
        n.show(head_of(self.pull(revert.number).body, 24))

    def revert(self) -> None:
        """`git revert` of a promotion is a rollback."""
        n = self.narrator
        n.chapter("5  git revert of a promotion is a rollback, nothing else needed")
        n.show(n.bighead("rollback", "flight_delay", "--env", "staging", "--check", who="oncall", allowed=(0, 1)))
        pushed = self.revert_newest("staging")
        n.wait("staging serves v2 again", lambda: self.live_weight("staging", "v2") == ALL or None)
        self.note(revert_seconds=round(time.monotonic() - pushed, 2))
        n.tell(f"staging is back on v2 {time.monotonic() - pushed:.1f} s after the push")

    def questions(self) -> None:
        """Status, history and trace."""
        n = self.narrator
        n.chapter("6  Questions: what runs, who served what when, where a prediction came from")
        n.wait("what stood by before to stand by again", lambda: status(self.context).in_step or None)
        n.show(n.bighead("status"))
        n.show("\n".join(n.bighead("history", "flight_delay", "--env", "prod").splitlines()[:14]))
        with self.traffic("v2") as traffic:
            n.wait("a prediction", lambda: traffic.last_prediction.get("v2"))
            traffic.stop()
        prediction = traffic.last_prediction["v2"]
        self.note(prediction=prediction)
        n.wait("it to reach the log", lambda: self.context.predictions.find(prediction))
        n.show(n.bighead("trace", prediction))
        n.show("\n".join(n.bighead("drift", "flight_delay", "--env", "prod").splitlines()[:10]))

    def ship_flights(self) -> None:
        """Only what a canary needs before it starts: v1 in prod, v2 in staging."""
        number = self.open_version("flight-delay-v1", "models/flight_delay/v1", "flight_delay v1", who="ada")
        self.await_check(number)
        self.approve_and_merge(number)
        self.release("flight_delay", "staging", "v1")
        self.promote("flight_delay", "prod", "v1")
        self.better_version()
