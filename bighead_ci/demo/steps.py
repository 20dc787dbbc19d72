"""The steps that chapters are made of: what a person does and then waits for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import Field

from bighead_ci.callers.requests import request_bodies
from bighead_ci.callers.traffic import Traffic
from bighead_ci.definitions.check_locks import shared_locks
from bighead_ci.definitions.files import Files, Place
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.checks import CI, find_check
from bighead_ci.delivery.status import model_statuses
from bighead_ci.demo.narrator import Narrator
from bighead_ci.documents.base import Document
from bighead_ci.documents.forge import PullRequest, PullRequestSummary
from bighead_ci.documents.live import LiveModel
from bighead_ci.documents.release import Release
from bighead_ci.errors import BugError
from bighead_ci.ports.progress import silent
from bighead_ci.wiring import LocalContext


class WeightSeen(Document):
    """A weight in git and what was measured at the router while it was in force."""

    version: str
    weight: int
    measured: float
    requests: int
    failed: int


class ShipFacts(Document):
    """What the demonstration measured, written to `ship.json` beside the state."""

    pull_requests: dict[str, int] = Field(default_factory=dict)
    """Chapter → number."""
    weights: list[WeightSeen] = Field(default_factory=list)
    canary_requests: int = 0
    canary_failed: int = 0
    canary_p50_ms: float = 0.0
    canary_p95_ms: float = 0.0
    abort_seconds: float = 0.0
    """From the merge of the automatic revert to all traffic on the old version."""
    revert_seconds: float = 0.0
    """From the push of a person's `git revert` to all traffic on the old version."""
    prediction: str = ""
    """The prediction that was traced."""


CHECK_SECONDS = 600.0
REQUESTS_PER_SECOND = 150.0


class Steps:
    """Works in a workspace's clone, by the commands that people type, and watches the live system."""

    def __init__(self, context: LocalContext, clone: Path, examples: Path) -> None:
        self.context = context
        self.clone = clone
        self.examples = examples
        self.narrator = Narrator(clone, context.workspace.state)
        self.facts = ShipFacts()

    def note(self, **facts: object) -> None:
        """Keep what was measured."""
        self.facts = self.facts.model_copy(update=facts)

    def open_version(self, branch: str, path: str, title: str, who: str) -> int:
        """Bring an example model version in on a branch, and open its pull request."""
        return self.open_versions(branch, [path], title, who)

    def open_versions(self, branch: str, paths: Sequence[str], title: str, who: str) -> int:
        """Bring several in on one branch."""
        self.branch(branch, who)
        left_out = shutil.ignore_patterns("out", "__pycache__", "dvc.lock", ".gitignore")
        for path in paths:
            shutil.copytree(self.examples / path, self.clone / path, ignore=left_out)
            _, name, version = path.split("/")
            for lock in shared_locks(Files(DirectoryTree(self.examples)), Place("model", name, version)):
                (self.clone / lock).parent.mkdir(exist_ok=True)
                shutil.copyfile(self.examples / lock, self.clone / lock)
        return self.propose(branch, "models", title, who)

    def branch(self, branch: str, who: str) -> None:
        """Begin a branch at main."""
        self.narrator.git("fetch", "--quiet", "origin", who=who)
        self.narrator.git("checkout", "--quiet", "-B", branch, "origin/main", who=who)

    def open_edited(self, branch: str, edits: dict[str, str], title: str, who: str) -> int:
        """Copy the newest version with `bighead new`, edit its model.yaml, open the pull request."""
        n = self.narrator
        self.branch(branch, who)
        written = n.asks("new", "model", "flight_delay", "--from", "v2", who=who)["written"]
        created = Path(next(path for path in written if path.endswith("/model.yaml"))).parent
        file = self.clone / created / "model.yaml"
        text = file.read_text()
        for old, new in edits.items():
            if old not in text:
                raise BugError(f"{file} does not hold {old!r}: the demonstration's edit no longer fits the example")
            text = text.replace(old, new)
        file.write_text(text)
        added = [
            line.strip() for old, new in edits.items() for line in new.splitlines() if line not in old.splitlines()
        ]
        n.tell(f"{who} edits {created}/model.yaml: {'; '.join(added)}")
        return self.propose(branch, str(created), title, who)

    def propose(self, branch: str, path: str, title: str, who: str) -> int:
        """Commit, push and open the pull request; its number."""
        n = self.narrator
        n.git("add", path, who=who)
        n.git("commit", "--quiet", "-m", title, who=who)
        answer = n.asks("pr", "open", "--title", title, who=who)
        number = int(answer["number"])
        self.note(pull_requests=self.facts.pull_requests | {branch: number})
        n.tell(f"pull request #{number}: {title}")
        return number

    def open_card_change(self) -> int:
        """A pull request that changes only v2's model card: nothing to retrain."""
        self.branch("flight-delay-card", "ada")
        card = self.clone / "models/flight_delay/v2/README.md"
        card.write_text(card.read_text() + "\nThis card was read again.\n")
        return self.propose("flight-delay-card", "models/flight_delay/v2", "flight_delay v2: card", "ada")

    def revert_newest(self, environment: str, who: str = "oncall") -> float:
        """`git revert` the newest commit of flight_delay's release and push; when the push returned (monotonic)."""
        n = self.narrator
        n.git("fetch", "--quiet", "origin", who=who)
        n.git("checkout", "--quiet", "main", who=who)
        n.git("reset", "--quiet", "--hard", "origin/main", who=who)
        commit = self.context.main().log.of(environment, "flight_delay", limit=1)[0].commit
        merge = ["-m", "1"] if len(commit.parents) > 1 else []
        n.git("revert", "--no-edit", *merge, commit.id[:10], who=who)
        n.git("push", "--quiet", "origin", "main", who=who)
        return time.monotonic()

    def pull(self, number: int) -> PullRequest:
        """A pull request as it is now."""
        return self.context.forge.get(number)

    def checked(self, pull: PullRequestSummary) -> bool:
        """Whether the checks of a pull request's head passed."""
        found = find_check(self.context.forge, pull.head, CI)
        return found is not None and found.state == "success"

    def await_check(self, number: int, expected: str = "success", seconds: float = CHECK_SECONDS) -> None:
        """Wait for the checks, show the head of the report, insist on the outcome."""

        def finished() -> PullRequest | None:
            pull = self.pull(number)
            found = find_check(self.context.forge, pull.head, CI)
            return pull if found is not None and found.state != "pending" else None

        pull = self.narrator.wait(f"checks of #{number}", finished, seconds, f"ci-{number}.log")
        found, report = find_check(self.context.forge, pull.head, CI), pull.comment("report")
        self.narrator.show(head_of(report.body if report else "", 14))
        if found is None or found.state != expected:
            state = found.state if found else "missing"
            log = self.context.workspace.runner / f"ci-{number}.log"
            raise BugError(f"#{number}: expected {expected}, got {state}; log: {log}")

    def approve_and_merge(self, number: int) -> None:
        """As the reviewer."""
        self.narrator.bighead("pr", "approve", str(number), who="grace")
        self.narrator.bighead("pr", "merge", str(number), who="grace")

    def release(self, model: str, environment: str, version: str) -> None:
        """Wait for the promotion PR that the bot opens, approve and merge it, wait until the version serves."""
        self.merge_promotion(model, environment, version)
        self.await_live(model, environment, version)

    def merge_promotion(self, model: str, environment: str, version: str) -> None:
        """Wait for the promotion PR that the bot opens, approve and merge it."""
        branch = f"release/{environment}/{model}"

        def opened() -> PullRequestSummary | None:
            found = [p for p in self.context.forge.find("open", source=branch) if version in p.title]
            return found[0] if found and self.checked(found[0]) else None

        pull = self.narrator.wait(f"promotion of {model} {version} to {environment}", opened)
        self.narrator.tell(f"pull request #{pull.number}: {pull.title}")
        self.approve_and_merge(pull.number)

    def promote(self, model: str, environment: str, version: str) -> None:
        """Ask for a promotion, approve and merge it, wait until the version serves."""
        answer = self.narrator.asks("promote", model, "--to", environment, "--version", version, who="ada")
        number = int(answer["pull_request"])
        self.narrator.tell(f"pull request #{number}: {answer['title']}")
        self.narrator.wait(f"checks of #{number}", lambda: self.checked(self.pull(number)) or None)
        self.approve_and_merge(number)
        self.await_live(model, environment, version)

    def await_live(self, model: str, environment: str, version: str) -> None:
        """Wait until what runs is what main says, and the version is part of it."""

        def live() -> bool | None:
            for m in model_statuses(self.context, self.context.main()):
                if (m.model, m.environment) == (model, environment) and m.live and not m.differences:
                    return any(v.version == version for v in m.live.variants) or None
            return None

        self.narrator.wait(f"{model} {version} in {environment}", live)
        self.narrator.tell(f"{environment} serves {model} {version}, golden rows re-scored")

    def observed(self, environment: str) -> list[LiveModel]:
        """The models of an environment as its platform sees them."""
        definition = self.context.main().desired.environment(environment)
        return self.context.platform(environment, definition).observe()

    def live_weight(self, environment: str, version: str) -> int:
        """The weight of a version of flight_delay in force at the router."""
        for model in self.observed(environment):
            if model.model == "flight_delay":
                return sum(v.weight for v in model.variants if v.version == version)
        return 0

    def until(self, what: str, holds: Callable[[Release], bool]) -> None:
        """Wait until prod's release of flight_delay on main is as wanted."""

        def found() -> bool | None:
            release = self.context.main().desired.release("prod", "flight_delay")
            return (release is not None and holds(release)) or None

        self.narrator.wait(what, found)

    def watch_weight(self, traffic: Traffic, version: str, weight: int) -> None:
        """Wait for a weight, then measure the split for five seconds."""
        n = self.narrator
        n.wait(f"{version} at {weight} %", lambda: self.live_weight("prod", version) == weight or None)
        since = time.monotonic()
        time.sleep(5.0)
        seen = traffic.since(since)
        found = WeightSeen(
            version=version,
            weight=weight,
            measured=round(seen.share(version), 1),
            requests=seen.requests,
            failed=seen.failed,
        )
        self.note(weights=[*self.facts.weights, found])
        n.tell(
            f"git says {weight:3} % for {version}; measured at Envoy {seen.share(version):5.1f} % of {seen.requests} "
            f"requests, {seen.failed} failed"
        )

    def traffic(self, version: str, environment: str = "prod") -> Traffic:
        """Flights after the workspace's moment, with the fields that callers of a version send."""
        bodies = request_bodies(self.context, self.context.main(), "flight_delay", version, silent)
        live = next(m for m in self.observed(environment) if m.model == "flight_delay")
        return Traffic(f"{live.url}/predict", bodies, REQUESTS_PER_SECOND)


def alone(release: Release, version: str) -> bool:
    """Whether a version serves alone."""
    return [variant.version for variant in release.variants] == [version]


def head_of(markdown: str, lines: int) -> str:
    """The first lines of a comment as a terminal shows them: pictures and what can be unfolded are left out."""
    kept = [line for line in markdown.splitlines() if "data:image" not in line and not line.startswith("<")]
    return "\n".join(kept[:lines])
