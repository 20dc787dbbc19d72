"""Models that leak, spin or hang, in their processes behind a router: their callers are served."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import bighead_ci
from bighead_ci.documents.definition import Serving
from bighead_ci.documents.image import LocalImage
from bighead_ci.documents.live import RESTARTS_FILE, DesiredVariant, LiveVariant, Restarts
from bighead_ci.errors import RetryError
from bighead_ci.planning.stages import CODE_SERVING_ENTRY_POINT
from bighead_ci.platforms import restarts, variant
from bighead_ci.platforms.local import LocalPlatform
from bighead_ci.platforms.restarts import counted
from bighead_ci.platforms.telemetry import LocalTelemetry
from bighead_ci.scorers.artifact import artifact_digest
from fakes.failing_code import FINE, LEAK, SPIN, failing_version
from fakes.local_bench import ROW, LocalBench, desired
from fakes.waiting import until

pytestmark = pytest.mark.e2e
READY = 180.0
"""Of a process that loads two interpreters, where every processor has other work."""
MODEL = "late"
RESIDENT_MIB: list[int] = []
"""What a process takes that has answered nothing yet; measured once."""
PAUSE_SECONDS = 0.05
"""Of each caller, after an answer."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return failing_version(tmp_path_factory.mktemp("version") / "checkout")


class CodeBench:
    """A local platform on which variants of the failing version run, from the engine that is tested."""

    def __init__(self, bench: LocalBench, artifact: Path, code: Path) -> None:
        self.bench = bench
        self.digest = artifact_digest(artifact)
        bench.artifacts[self.digest] = artifact
        image = bench.images.open(bench.variant("v1").image)
        assert image is not None
        manifest = image.manifest.model_copy(update={"entry_point": CODE_SERVING_ENTRY_POINT})
        engine = Path(bighead_ci.__file__).parents[1]
        self.reference = bench.variant("v1").image
        self.image = image.model_copy(update={"manifest": manifest, "code": code, "engine": engine})
        self.platform: LocalPlatform = bench.another_platform(open_image=self._open)
        self.platform.start()

    def _open(self, _: str) -> LocalImage:
        return self.image

    def variant(self, name: str, weight: int, serving: Serving) -> DesiredVariant:
        """A process of the failing version."""
        found = DesiredVariant(
            name=name, model=MODEL, version="v1", image=self.reference, artifact=self.digest, run="run", weight=weight,
            serving=serving,
        )  # fmt: skip
        assert self.platform.ensure_variant(found, READY)
        return found

    def url(self) -> str:
        """Where callers reach it."""
        return next(m.url for m in self.platform.observe() if m.model == MODEL)

    def live(self, name: str) -> LiveVariant:
        """A process, as the platform sees it."""
        return next(v for m in self.platform.observe() for v in m.variants if v.name == name)

    def port(self, name: str) -> int:
        """Where a process listens."""
        serving = self.platform.serving(name)
        assert serving is not None
        return serving.port

    def resident_mib(self, name: str) -> int:
        """What a process says that it takes."""
        page = httpx.get(f"http://127.0.0.1:{self.port(name)}/metrics").text
        (line,) = [one for one in page.splitlines() if one.startswith("bighead_memory_bytes{")]
        return int(float(line.rpartition(" ")[2])) >> 20


@pytest.fixture
def code(shared: Path, tmp_path: Path, version: tuple[Path, Path]) -> Iterator[CodeBench]:
    bench = LocalBench(shared, tmp_path)
    made = CodeBench(bench, *version)
    yield made
    made.platform.stop()
    assert bench.processes() == []


@contextmanager
def calls(url: str, hour: int) -> Iterator[Counter[str]]:
    """Predict, without filling a machine's memory in seconds; counts `<status> <variant>`."""
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def call() -> None:
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not stop.wait(PAUSE_SECONDS):
                answer = client.post(f"{url}/predict", json={"carrier": "AA", "hour": hour})
                seen[f"{answer.status_code} {answer.headers.get('x-bighead-variant')}"] += 1

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def limited(code: CodeBench, name: str, weight: int) -> tuple[DesiredVariant, int]:
    """A variant that may grow by 40 MiB from where it starts, and its pid; the limit is known once one has run."""
    if not RESIDENT_MIB:
        code.variant("late-measured", 0, Serving())
        until(lambda: code.resident_mib("late-measured") > 0)
        RESIDENT_MIB.append(code.resident_mib("late-measured"))
        code.platform.remove_variants(MODEL, [])
    limit = RESIDENT_MIB[0] + 40
    found = code.variant(name, weight, Serving(memory=f"{limit}MiB"))
    pid = code.live(name).pid
    assert pid is not None
    return found, pid


def replaced(code: CodeBench, told: DesiredVariant, pid: int) -> bool:
    """Whether another process serves, after one more pass of whoever watches."""
    return code.platform.ensure_variant(told, 0.2) and code.live(told.name).pid != pid


def test_a_leaking_stable_variant_is_replaced_under_its_callers(code: CodeBench) -> None:
    """Its successor is ready before it goes: no request fails, and status says what happened."""
    stable, pid = limited(code, "late-stable", 100)
    code.platform.route(desired(stable, model=MODEL))
    assert code.platform.ended() == []
    with calls(code.url(), LEAK) as seen:
        until(lambda: code.platform.ended() == [stable.name], READY)
        assert "(serving.memory)" in code.live(stable.name).reason
        until(lambda: replaced(code, stable, pid), READY)
        answered = seen.total()
        until(lambda: seen.total() > answered + 5)
    assert set(seen) == {"200 late-stable"}
    live = code.live(stable.name)
    assert live.restarts == 1
    assert "(serving.memory)" in live.restarted
    assert not Path(f"/proc/{pid}").exists()


def test_callers_of_a_leaking_candidate_get_the_stable_variant(code: CodeBench) -> None:
    """Until it is replaced; a canary's analysis sees them as the candidate's errors."""
    candidate, pid = limited(code, "late-candidate", 50)
    stable = code.variant("late-stable", 50, Serving())
    both = desired(stable, candidate, model=MODEL)
    code.platform.route(both)
    since = next(m.since for m in code.platform.observe() if m.model == MODEL)
    assert since is not None
    with calls(code.url(), LEAK) as seen:
        until(lambda: code.platform.ended() == [candidate.name], READY)
        before = seen.copy()
        until(lambda: seen["200 late-stable"] > before["200 late-stable"] + 40)
        assert seen["200 late-candidate"] <= before["200 late-candidate"] + 2
        found = LocalTelemetry(code.platform).measure(MODEL, [stable.name, candidate.name], since).variants
        until(lambda: replaced(code, candidate, pid), READY)
    assert set(seen) == {"200 late-stable", "200 late-candidate"}
    assert found["late-stable"].errors == 0
    assert found["late-candidate"].errors >= 15


def test_a_model_that_never_returns_keeps_nobody(code: CodeBench) -> None:
    """Its caller gets 504 in time, probes are answered meanwhile, and its code is started again for the next row."""
    stable = code.variant("late-stable", 100, Serving(deadline_ms=300))
    code.platform.route(desired(stable, model=MODEL))
    pid = code.live(stable.name).pid
    direct = f"http://127.0.0.1:{code.port(stable.name)}"
    late = httpx.post(f"{code.url()}/predict", json={"carrier": "AA", "hour": SPIN}, timeout=10)
    assert (late.status_code, late.json()["error"]) == (504, "there was no answer in 300 ms (serving.deadline_ms)")
    assert httpx.get(f"{direct}/healthz", timeout=0.5).status_code == 200
    until(lambda: "did not return" in code.live(stable.name).reason)
    until(lambda: code.live(stable.name).state == "ready", READY)
    assert httpx.post(f"{code.url()}/predict", json={"carrier": "AA", "hour": FINE}).status_code == 200
    assert code.live(stable.name).pid == pid
    page = httpx.get(f"{direct}/metrics").text
    assert any(line.startswith("bighead_restarts_total{") and line.endswith(" 1.0") for line in page.splitlines())


def test_a_process_that_hangs_is_started_again(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has left all probes for some time without an answer; again and again, but less and less often."""
    monkeypatch.setattr(variant, "HUNG_SECONDS", 0.1)
    monkeypatch.setattr(variant, "STOP_SECONDS", 0.1)
    monkeypatch.setattr("bighead_ci.platforms.local.STOP_SECONDS", 0.1)
    monkeypatch.setattr(restarts, "FIRST_PAUSE", 50.0)
    bench = LocalBench(shared, tmp_path)
    bench.platform.start()
    told = bench.variant("v1", weight=100)
    assert bench.platform.ensure_variant(told, READY)
    bench.platform.route(desired(told))
    before = hung(bench, told)
    until(lambda: restarted(bench, told, before), READY)
    assert bench.platform.ensure_variant(told, READY)
    assert httpx.post(f"{bench.url()}/predict", json=ROW).status_code == 200
    assert bench.live(told.name).restarts == 1
    counted(Restarts(count=1, at=time.time()), "it hangs", time.time()).write(
        bench.platform.directory / "variants" / told.name / RESTARTS_FILE
    )
    last = hung(bench, told)
    with pytest.raises(RetryError, match=r"started again 2 times.* it is started again in \d+ s"):
        until(lambda: bench.platform.ensure_variant(told))
    os.kill(last, signal.SIGCONT)
    bench.platform.stop()


def hung(bench: LocalBench, told: DesiredVariant) -> int:
    """The process of a variant, which does nothing from now on."""
    pid = bench.live(told.name).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until(lambda: bench.live(told.name).reason.startswith("it has not answered"))
    return pid


def restarted(bench: LocalBench, told: DesiredVariant, pid: int) -> bool:
    """Whether another process runs, after one more pass."""
    bench.platform.ensure_variant(told)
    return bench.live(told.name).pid not in {pid, None}
