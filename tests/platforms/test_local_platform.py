"""The local platform under faults: killed processes, taken ports, a second reconciler, secrets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pyarrow.parquet as pq
import pytest

from bighead_ci.documents.image import LocalImage
from bighead_ci.documents.live import DesiredVariant
from bighead_ci.errors import InputError, RetryError
from bighead_ci.platforms.telemetry import LocalTelemetry
from bighead_ci.platforms.variant import RESTART_SECONDS
from fakes import import_spy
from fakes.local_bench import ROW, LocalBench, desired, load, weighted
from fakes.tiny_artifact import score
from fakes.waiting import until

pytestmark = pytest.mark.e2e
READY = 60.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def bench(shared: Path, tmp_path: Path) -> Iterator[LocalBench]:
    bench = LocalBench(shared, tmp_path)
    bench.platform.start()
    yield bench
    bench.platform.stop()
    assert bench.processes() == []


def split(bench: LocalBench, weight: int) -> tuple[DesiredVariant, DesiredVariant]:
    """v1 and v2 ready, `weight` percent to v2."""
    one, two = bench.variant("v1"), bench.variant("v2")
    for variant in (one, two):
        bench.platform.ensure_variant(variant, READY)
    bench.platform.route(desired(weighted(one, 100 - weight), weighted(two, weight)))
    return one, two


def zombies() -> list[int]:
    """Children of this process that ended and that nobody waited for."""
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if child.status() == psutil.STATUS_ZOMBIE]


def test_a_caller_is_told_who_answered(bench: LocalBench) -> None:
    """Through the router an answer carries the score of its variant, in headers and body the variant itself."""
    one, _ = split(bench, 0)
    answer = httpx.post(f"{bench.url()}/predict", json=ROW)
    assert answer.headers["x-bighead-variant"] == one.name
    assert answer.headers["x-bighead-version"] == "v1"
    body = answer.json()
    assert (body["variant"], body["artifact"]) == (one.name, one.artifact)
    assert body["score"] == pytest.approx(score(0.001, **ROW), abs=1e-6)


def test_an_unknown_model_is_told_which_there_are(bench: LocalBench) -> None:
    """A path that no model has answers 404 with the models of the environment."""
    split(bench, 0)
    answer = httpx.post(bench.url().replace("/tiny", "/huge/predict"), json=ROW)
    assert answer.status_code == 404
    assert "models here: tiny" in answer.json()["error"]


def test_no_request_fails_while_weights_change_and_variants_go(bench: LocalBench) -> None:
    """Under load, a whole canary and the removal of the old variant cost no caller an error."""
    one, two = split(bench, 0)
    with load(bench.url()) as seen:
        for weight in (10, 50, 25, 100, 0, 75, 100):
            bench.platform.route(desired(weighted(one, 100 - weight), weighted(two, weight)))
            time.sleep(0.1)
        bench.platform.route(desired(weighted(two, 100)))
        bench.platform.remove_variants("tiny", [two.name])
        time.sleep(0.2)
    assert set(seen) == {"200 v1", "200 v2"}


def test_a_killed_candidate_hurts_no_caller_and_comes_back(bench: LocalBench) -> None:
    """The stable variant answers for a killed candidate, is itself untouched, and `ensure_variant` brings it back."""
    one, two = split(bench, 50)
    stable_pid = bench.live(one.name).pid
    with load(bench.url(), callers=8) as seen:
        until(lambda: seen["200 v2"] > 20)
        bench.kill(two.name)
        until(lambda: bench.live(two.name).state == "dead")
        bench.platform.ensure_variant(two, READY)
        answered = seen["200 v2"]
        until(lambda: seen["200 v2"] > answered + 20)
    assert set(seen) == {"200 v1", "200 v2"}
    assert bench.live(one.name).pid == stable_pid
    assert bench.live(two.name).weight == 50


def test_a_process_that_ended_is_collected_even_if_it_was_forgotten(bench: LocalBench) -> None:
    """The next look at any process leaves no zombie behind, also when nothing names the dead one any more."""
    _, two = split(bench, 50)
    bench.kill(two.name)
    (bench.platform.directory / "variants" / two.name / "pid.json").unlink()
    until(lambda: bench.platform.ended() == [] and not zombies())


def test_a_variant_that_came_back_elsewhere_is_not_ready_before_callers_reach_it(bench: LocalBench) -> None:
    """A process started again has another port: until the router is told, what runs is not what should."""
    _, two = split(bench, 100)
    bench.kill(two.name)
    until(lambda: bench.live(two.name).state == "dead")
    while not bench.platform.ensure_variant(two):
        assert bench.live(two.name).state == "starting"
        time.sleep(0.05)
    assert bench.live(two.name).state == "ready"
    assert httpx.post(f"{bench.url()}/predict", json=ROW).status_code == 200


def test_a_killed_candidate_shows_in_its_telemetry(bench: LocalBench) -> None:
    """Requests that the stable variant answered for a dead candidate are the candidate's errors, not the stable's."""
    telemetry = LocalTelemetry(bench.platform)
    one, two = split(bench, 50)
    since = bench.model().since
    assert since is not None
    bench.kill(two.name)
    with load(bench.url()) as seen:
        until(lambda: seen.total() > 60)
    found = telemetry.measure("tiny", [one.name, two.name], since).variants
    assert found[one.name].errors == 0
    assert found[two.name].requests > 10
    assert found[two.name].errors == found[two.name].requests


def test_weights_whose_moment_was_not_written_are_confirmed_by_the_next_route(
    bench: LocalBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reconciler that was killed between weights and sample leaves weights of which nobody says since when."""
    one, two = split(bench, 10)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.platform, "sample", killed)
    with pytest.raises(KeyboardInterrupt):
        bench.platform.route(desired(weighted(one, 50), weighted(two, 50)))
    assert {v.weight for v in bench.model().variants} == {50}
    assert bench.model().since is None
    monkeypatch.undo()
    bench.platform.route(desired(weighted(one, 50), weighted(two, 50)))
    assert bench.model().since is not None


def test_a_dead_router_is_started_again_with_its_routes(bench: LocalBench) -> None:
    """After Envoy was killed, `start` brings it back at the same address, and callers are served without `route`."""
    split(bench, 0)
    url = bench.url()
    os.kill(int(bench.platform.router.run().split("@")[0]), signal.SIGKILL)
    until(lambda: bench.platform.ended() == ["router"])
    bench.platform.start()
    assert bench.platform.ended() == []
    assert httpx.post(f"{url}/predict", json=ROW).status_code == 200


def test_a_variant_whose_pid_file_was_lost_is_found_again(bench: LocalBench) -> None:
    """A starter killed before it wrote the pid file leaves no second process behind."""
    variant = bench.variant("v1")
    bench.platform.ensure_variant(variant, READY)
    before = bench.live(variant.name).pid
    (bench.state / "platform" / "prod" / "variants" / variant.name / "pid.json").unlink()
    bench.platform.ensure_variant(variant, READY)
    assert bench.live(variant.name).pid == before


def test_a_recycled_pid_is_not_touched(bench: LocalBench) -> None:
    """A pid file that names a living stranger makes nobody kill it."""
    variant = bench.variant("v1")
    bench.platform.ensure_variant(variant, READY)
    bench.kill(variant.name)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        file = bench.state / "platform" / "prod" / "variants" / variant.name / "pid.json"
        file.write_text(f'{{"pid": {stranger.pid}, "started": 1000000000.0}}')
        assert bench.live(variant.name).state == "dead"
        bench.platform.remove_variants("tiny", [])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_variant_may_be_started_without_waiting(bench: LocalBench) -> None:
    """A call that does not wait starts it; later calls find the same process, starting and then ready."""
    variant = bench.variant("v1")
    assert not bench.platform.ensure_variant(variant)
    assert not bench.platform.ensure_variant(variant)
    until((bench.state / "platform" / "prod" / "variants" / variant.name / "process.json").exists)
    time.sleep(0.2)
    assert bench.live(variant.name).state == "starting", "no traffic can reach it before a call found it ready"
    assert bench.platform.ensure_variant(variant, READY)
    assert len([c for c in bench.processes() if "entry_points.serving" in c]) == 1


def test_a_refusal_is_told_again_before_the_variant_is_started_again(bench: LocalBench) -> None:
    """Passes that follow each other quickly hear why it refuses, and do not start a process each."""
    variant = bench.variant("v1")
    graph = bench.artifacts[variant.artifact] / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + b"\0")
    for wait in (READY, 0.0, 0.0):
        with pytest.raises(InputError, match="changed or damaged"):
            bench.platform.ensure_variant(variant, wait)
    assert not [c for c in bench.processes() if "entry_points.serving" in c]
    graph.write_bytes(whole)
    config = bench.state / "platform" / "prod" / "variants" / variant.name / "variant.json"
    os.utime(config, (time.time() - RESTART_SECONDS, time.time() - RESTART_SECONDS))
    assert bench.platform.ensure_variant(variant, READY)


def test_a_missing_image_is_named(bench: LocalBench) -> None:
    """A variant whose image was damaged does not start, and says which image."""
    variant = bench.variant("v1")
    image = bench.images.open(variant.image)
    assert image is not None
    engine = image.engine / "bighead_ci" / "errors.py"
    engine.chmod(0o644)
    engine.write_text("raise SystemExit\n")
    with pytest.raises(InputError, match=variant.image):
        bench.platform.ensure_variant(variant, READY)


def test_an_image_is_verified_when_a_process_starts_and_not_each_time(bench: LocalBench) -> None:
    """Verifying reads all its files: a variant that runs as it should needs none of it."""
    variant, opened = bench.variant("v1"), list[str]()

    def open_image(reference: str) -> LocalImage | None:
        opened.append(reference)
        return bench.images.open(reference)

    platform = bench.another_platform(open_image=open_image)
    for _ in range(3):
        platform.ensure_variant(variant, READY)
    assert opened == [variant.image]


def test_a_second_reconciler_is_told_to_come_back(bench: LocalBench) -> None:
    """While one changes the environment, another gets RetryError, and may look."""
    one, _ = split(bench, 0)
    other = bench.another_platform()
    with bench.platform._lock.held():
        with pytest.raises(RetryError, match="prod"):
            other.route(desired(weighted(one, 100)))
        assert other.observe() == bench.platform.observe()
    other.route(desired(weighted(one, 100)))


def test_a_taken_port_is_named_with_its_holder(shared: Path, tmp_path: Path) -> None:
    """A router's port that somebody else has is reported with field, port and process."""
    bench = LocalBench(shared, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as raised:
            bench.another_platform(port).start()
    (problem,) = raised.value.problems
    assert (problem.file, problem.subject) == ("environments/prod/environment.yaml", "router.port")
    assert problem.value == str(port)
    assert f"pid {os.getpid()}" in problem.message
    assert bench.processes() == []


def test_no_secret_reaches_a_variant(bench: LocalBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the starter's environment is not in the variant's."""
    monkeypatch.setenv("FORGE_TOKEN", "hunter2")
    variant = bench.variant("v1")
    bench.platform.ensure_variant(variant, READY)
    pid = bench.live(variant.name).pid
    assert pid is not None
    assert "FORGE_TOKEN" not in psutil.Process(pid).environ()


def test_a_variant_leaves_nothing_behind(bench: LocalBench) -> None:
    """Temporary files of a process that was killed go when it is removed."""
    variant = bench.variant("v1")
    bench.platform.ensure_variant(variant, READY)
    pid = bench.live(variant.name).pid
    assert pid is not None
    place = Path(psutil.Process(pid).environ()["TMPDIR"])
    (place / "left").write_text("by the process")
    psutil.Process(pid).kill()
    bench.platform.remove_variants("tiny", [])
    assert not place.exists()


def test_predictions_are_in_the_log_once_a_variant_was_removed(bench: LocalBench) -> None:
    """What a variant answered just before it was stopped is written before it goes."""
    one, two = split(bench, 0)
    wanted = {httpx.post(f"{bench.url()}/predict", json=ROW).json()["prediction_id"] for _ in range(20)}
    bench.platform.route(desired(weighted(two, 100)))
    bench.platform.remove_variants("tiny", [two.name])
    folder = bench.predictions / "prod" / "tiny" / one.name
    found = {i for file in folder.glob("*.parquet") for i in pq.read_table(file)["prediction_id"].to_pylist()}
    assert found == wanted


def test_all_of_the_engine_that_a_process_runs_is_in_its_image(bench: LocalBench, tmp_path: Path) -> None:
    """Loaded, answering and drained, it has imported nothing of the engine but what lies in its image."""
    loaded, spied = tmp_path / "loaded.json", tmp_path / "python"
    spied.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" -P "{import_spy.__file__}" "{loaded}" "$@"\n')
    spied.chmod(0o755)
    variant = bench.variant("v1", weight=100)
    image = bench.images.open(variant.image)
    assert image is not None
    platform = bench.another_platform(open_image=lambda _: image.model_copy(update={"interpreter": spied}))
    platform.ensure_variant(variant, READY)
    platform.route(desired(variant))
    assert httpx.post(f"{bench.url()}/predict", json=ROW).status_code == 200
    bench.platform.stop()
    until(loaded.exists)
    files = {Path(file).relative_to(image.engine).as_posix() for file in json.loads(loaded.read_text()).values()}
    assert "bighead_ci/serving/predictor.py" in files
    assert files <= {path.removeprefix("engine/") for path in image.manifest.files}
