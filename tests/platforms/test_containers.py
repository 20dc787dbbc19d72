"""Containers behind the local Envoy, with a real Docker engine: what only they have beside the conformance suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from docker.types import Mount

from bighead_ci.docker_engine import connect
from bighead_ci.documents.image import INTERPRETER
from bighead_ci.documents.live import DesiredVariant
from bighead_ci.errors import InputError, RetryError
from bighead_ci.platforms.containers import INSIDE, NOBODY, ContainerHost, ContainerRuntime
from bighead_ci.stores.online_lmdb import LmdbOnlineStore
from fakes.container_bench import ContainerBench
from fakes.docker_bench import why_no_base
from fakes.local_bench import desired, load, weighted
from fakes.waiting import until

pytestmark = pytest.mark.e2e
READY = 90.0
READING = """
from pathlib import Path
from bighead_ci.stores.online_lmdb import LmdbOnlineStore
with LmdbOnlineStore(Path("/run/bighead/online-store"), readonly=True) as store:
    print(store.get_many([("t", b"a"), ("t", b"b")]), store.tables())
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def bench(shared: Path, tmp_path: Path) -> Iterator[ContainerBench]:
    if reason := why_no_base():
        pytest.skip(f"NOT RUN, variants are not run as containers here: {reason}")
    bench = ContainerBench(shared, tmp_path)
    bench.platform.start()
    yield bench
    bench.platform.stop()
    assert bench.containers() == []


def ready(bench: ContainerBench, version: str, **serving: Any) -> DesiredVariant:
    """A variant that answers."""
    variant = bench.variant(version, **serving)
    assert bench.platform.ensure_variant(variant, READY)
    return variant


def told(bench: ContainerBench) -> dict[str, Any]:
    """What the engine says of the only container."""
    (name,) = bench.containers()
    found: dict[str, Any] = connect().api.inspect_container(name)
    return found


def _answered(seen: Counter[str], what: str, times: int) -> bool:
    return seen[what] > times


def test_a_canary_over_two_containers_and_its_revert_fail_no_request(bench: ContainerBench) -> None:
    """Under load, from the first step to all of the traffic and back at once; both versions answered."""
    one = ready(bench, "v1")
    bench.platform.route(desired(weighted(one, 100)))
    with load(bench.url()) as seen:
        until(lambda: seen["200 v1"] > 20)
        two = ready(bench, "v2")
        for weight in (10, 50, 100):
            bench.platform.route(desired(weighted(one, 100 - weight), weighted(two, weight)))
            until(partial(_answered, seen, "200 v2", seen["200 v2"] + 10))
        bench.platform.route(desired(weighted(one, 100)))
        bench.platform.remove_variants("tiny", [one.name])
        until(partial(_answered, seen, "200 v1", seen["200 v1"] + 20))
    assert set(seen) == {"200 v1", "200 v2"}


def test_a_container_has_nothing_that_it_does_not_need(bench: ContainerBench) -> None:
    """Nobody, on a root that it cannot write, without capabilities or the engine's socket, bounded in all it takes."""
    variant = ready(bench, "v1", memory="512MiB")
    found = told(bench)
    config, host = found["Config"], found["HostConfig"]
    assert config["User"] == NOBODY
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] == host["MemorySwap"] == 2 * 512 << 20
    assert host["PidsLimit"] > 0
    assert len(host["Tmpfs"]) == 1
    written = {mount["Destination"] for mount in found["Mounts"] if mount["RW"]}
    assert written == {"/run/bighead/said", f"/run/bighead/predictions/prod/tiny/{variant.name}"}
    assert all(str(bench.state) in mount["Source"] for mount in found["Mounts"])
    assert config["Labels"]["bighead.environment"] == "prod"
    assert config["Labels"]["bighead.variant"] == variant.name


def test_no_secret_reaches_a_container(bench: ContainerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started with variables of ours and of its image, and none of this process's."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    ready(bench, "v1")
    assert "hunter2" not in str(told(bench))


def test_predictions_are_in_the_log_once_a_container_was_removed(bench: ContainerBench) -> None:
    """It is asked to end, and writes what it has first."""
    variant = ready(bench, "v1")
    bench.platform.route(desired(weighted(variant, 100)))
    with load(bench.url(), callers=1) as seen:
        until(lambda: seen["200 v1"] > 5)
    bench.platform.route(desired())
    bench.platform.remove_variants("tiny", [])
    assert list((bench.predictions / "prod" / "tiny" / variant.name).glob("*.parquet"))


def test_a_container_that_took_too_much_memory_says_so(bench: ContainerBench) -> None:
    """The kernel ended it before it could say anything: what it asked for, and where, is said for it."""
    variant = bench.variant("v1", memory="16MiB")
    with pytest.raises(InputError, match=r"OOM-killed: .* 32 MiB .* 16 MiB that models/tiny/v1/model.yaml asks for"):
        bench.platform.ensure_variant(variant, READY)
    assert "OOM-killed" in bench.live(variant.name).reason


def test_a_starter_that_was_killed_leaves_a_container_that_is_found_or_replaced(bench: ContainerBench) -> None:
    """Another hand finds the one that runs; one that was made and never started makes way."""
    variant = ready(bench, "v1")
    before = bench.live(variant.name).pid
    other = bench.another_platform()
    assert other.ensure_variant(variant, READY)
    assert bench.live(variant.name).pid == before
    (name,) = bench.containers()
    api = connect().api
    image = api.inspect_container(name)["Image"]
    api.remove_container(name, force=True)
    api.create_container(image, name=name)
    assert other.ensure_variant(variant, READY)
    assert bench.live(variant.name).pid != before


def test_a_container_that_somebody_removed_is_dead_and_comes_back(bench: ContainerBench) -> None:
    """Who looks at it is told what it wrote last, as far as that was kept, and is not stopped by its absence."""
    variant = ready(bench, "v1")
    (name,) = bench.containers()
    connect().api.remove_container(name, force=True)
    live = bench.live(variant.name)
    assert (live.state, live.reason) == ("dead", "it ended without saying why")
    assert bench.platform.ended() == [variant.name]
    assert bench.platform.ensure_variant(variant, READY)
    assert bench.live(variant.name).restarts == 1


def test_a_container_reads_an_online_store_that_it_cannot_write(bench: ContainerBench) -> None:
    """Features are looked up by a reader that leaves no trace in the store's directory."""
    directory = bench.state / "online-store"
    with LmdbOnlineStore(directory) as store:
        store.put_many("t", [(b"a", b"1")])
    image = bench.built.name_in_engine(bench.image("tiny", "v1"))
    mount = Mount(str(INSIDE / "online-store"), str(directory), type="bind", read_only=True)
    said = connect().containers.run(
        image, ["-c", READING], entrypoint=[INTERPRETER], mounts=[mount], user=NOBODY, read_only=True,
        network_mode="none", remove=True,
    )  # fmt: skip
    assert said.decode().strip() == "[b'1', None] ['t']"


def test_the_engine_is_asked_for_only_by_what_runs_there(bench: ContainerBench) -> None:
    """Without one, a variant says why it does not run, and those who only look are told instead of stopped."""

    def nowhere(*_: str) -> Any:
        raise RetryError("environments/prod/environment.yaml: platform: its images need a Docker engine")

    host = ContainerHost(nowhere, nowhere)
    platform = bench.platform_of(lambda directory: ContainerRuntime(directory, host))
    variant = ready(bench, "v1")
    assert platform.ended() == [variant.name]
    (live,) = platform.observe()[0].variants
    assert (live.state, live.reason.split(":")[0]) == ("dead", "environments/prod/environment.yaml")
    with pytest.raises(RetryError, match=r"environment\.yaml: platform"):
        platform.ensure_variant(bench.variant("v2"), READY)
