"""What goes wrong on a cluster, each tried on a real one: it is said in words, and nothing else suffers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from bighead_ci.documents.labels import VARIANT
from bighead_ci.documents.live import DesiredVariant
from bighead_ci.errors import InputError, RetryError
from bighead_ci.platforms.kubernetes.api import ApiServer
from fakes.cluster_bench import GATEWAY_URL, ClusterBench, required
from fakes.flux_bench import FLUX_NAMESPACE, FluxBench
from fakes.gateway_load import asking
from fakes.local_bench import desired, weighted
from fakes.waiting import until

READY = 90.0
pytestmark = pytest.mark.e2e


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ClusterBench]:
    required(GATEWAY_URL)
    bench = ClusterBench(tmp_path)
    bench.create_namespace()
    bench.platform.start()
    yield bench
    bench.delete_namespace()


@pytest.fixture
def serving(bench: ClusterBench) -> DesiredVariant:
    """A version with all the traffic."""
    one = bench.variant("v1")
    assert bench.platform.ensure_variant(one, READY)
    bench.merge(desired(weighted(one, 100)))
    bench.platform.route(desired(weighted(one, 100)))
    return one


def reason(bench: ClusterBench, name: str) -> str:
    """Why a variant is not ready, as `status` shows it."""
    return next(v.reason for m in bench.platform.observe() for v in m.variants if v.name == name)


def fails(bench: ClusterBench, variant: DesiredVariant, kind: type[Exception], words: str) -> None:
    """Bringing the variant up comes to an error with these words, and the weights stay as they were."""
    before = {v.name: v.weight for m in bench.platform.observe() for v in m.variants if v.weight}
    found: list[str] = []

    def raised() -> bool:
        with suppress(RetryError, InputError):
            try:
                bench.platform.ensure_variant(variant)
            except kind as error:
                found.append(str(error))
        return any(words in one for one in found)

    until(raised, READY)
    assert words in reason(bench, variant.name)
    assert {v.name: v.weight for m in bench.platform.observe() for v in m.variants if v.weight} == before


@pytest.mark.usefixtures("serving")
def test_a_pod_that_is_killed_for_memory_says_so_with_what_it_asked_for(bench: ClusterBench) -> None:
    """The node ends it; whoever asks is told its limit."""
    fails(bench, bench.variant("v2", EAT="400"), RetryError, "more memory than it asked for (64Mi)")


@pytest.mark.usefixtures("serving")
def test_an_image_that_cannot_be_pulled_is_named(bench: ClusterBench) -> None:
    """A digest that the registry does not have."""
    missing = f"{bench.image.partition('@')[0]}@sha256:{'0' * 64}"
    fails(bench, bench.variant("v2", IMAGE=missing), RetryError, f"image {missing} cannot be pulled")


@pytest.mark.usefixtures("serving")
def test_last_words_of_a_process_that_refuses_are_quoted(bench: ClusterBench) -> None:
    """From its termination message."""
    fails(bench, bench.variant("v2", REFUSE="golden row 2 differs"), InputError, "golden row 2 differs")


def test_a_node_that_is_drained_under_a_canary_is_said_and_survived(
    bench: ClusterBench, serving: DesiredVariant
) -> None:
    """Of a cluster's one node: the candidate's pod is put out and finds no room until the node takes pods again.

    The old version's requests are answered all along.
    """
    two = bench.variant("v2")
    assert bench.platform.ensure_variant(two, READY)
    split = desired(weighted(serving, 90), weighted(two, 10))
    bench.merge(split)
    bench.platform.route(split)
    nodes = bench.kubectl("get", "nodes", "-o", "name").split()
    try:
        for node in nodes:
            bench.kubectl("cordon", node)
        bench.kubectl("-n", bench.namespace, "delete", "pod", "--wait=false", "-l", f"{VARIANT}={two.name}")
        until(lambda: "no node takes it" in reason(bench, two.name))
        assert not bench.platform.ensure_variant(two)
    finally:
        for node in nodes:
            bench.kubectl("uncordon", node)
    assert bench.platform.ensure_variant(two, READY)
    with asking(bench.gateway_url, bench.definition.gateway.host) as answers:
        until(lambda: answers.seen["200 v2"] > 5)
    assert answers.failed == 0


def test_two_reconcilers_at_once_do_no_damage(bench: ClusterBench, serving: DesiredVariant) -> None:
    """They own the same fields with the same content: no conflict, one route, and what was asked for is there."""
    two = bench.variant("v2")
    platforms = [bench.another_platform() for _ in range(2)]
    split = desired(weighted(serving, 50), weighted(two, 50))

    def bring(number: int) -> None:
        platforms[number].ensure_variant(two, READY)
        platforms[number].route(split)
        platforms[number].mend("tiny")

    bench.merge(split)
    with ThreadPoolExecutor(2) as pool, asking(bench.gateway_url, bench.definition.gateway.host) as answers:
        list(pool.map(bring, range(2)))
    assert bench.platform.drift("tiny") == []
    assert {v.name: v.weight for m in bench.platform.observe() for v in m.variants} == {serving.name: 50, two.name: 50}
    assert answers.failed == 0


def test_an_api_server_that_is_gone_for_a_while_is_waited_for(bench: ClusterBench, serving: DesiredVariant) -> None:
    """Every call says that trying again helps, traffic goes on, and the next try ends what was begun."""
    with cut_off(bench) as cut:
        two = bench.variant("v2")
        assert bench.platform.ensure_variant(two, READY)
        split = desired(weighted(serving, 50), weighted(two, 50))
        bench.merge(split)
        with asking(bench.gateway_url, bench.definition.gateway.host) as answers:
            cut(True)
            for call in (bench.platform.start, bench.platform.observe, lambda: bench.platform.route(split)):
                with pytest.raises(RetryError, match="does not answer"):
                    call()
            until(lambda: answers.seen["200 v1"] > 100)
            cut(False)
            bench.platform.route(split)
            until(lambda: answers.seen["200 v2"] > 10)
        assert answers.failed == 0


def test_a_controller_that_is_killed_is_waited_for(tmp_path: Path) -> None:
    """Flux's controller dies in the middle of a canary: the weights come when it is back, and nothing fails."""
    required(GATEWAY_URL)
    bench = FluxBench(tmp_path)
    bench.begin()
    try:
        bench.platform.start()
        one, two = bench.variant("v1"), bench.variant("v2")
        for variant in (one, two):
            assert bench.platform.ensure_variant(variant, READY)
        for weight in (0, 50):
            split = desired(weighted(one, 100 - weight), weighted(two, weight))
            if weight:
                kill = ("delete", "pod", "--grace-period=0", "--force", "-l", "app=kustomize-controller")
                bench.kubectl("-n", FLUX_NAMESPACE, *kill)
            bench.merge(split)
            routed(partial(bench.platform.route, split))
        with asking(bench.gateway_url, bench.definition.gateway.host) as answers:
            until(lambda: answers.seen["200 v2"] > 20)
        assert answers.failed == 0
    finally:
        bench.end()


def routed(route: Callable[[], None]) -> None:
    """As the runner does it: again, as often as it is told that this helps."""

    def done() -> bool:
        with suppress(RetryError):
            route()
            return True
        return False

    until(done, 2 * READY)


class Proxy:
    """Passes connections on to the API server, until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self.to = (host, port)
        self.cut = False
        self.open: list[socket.socket] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, cut: bool) -> None:
        """Cut it, with all that is open, or mend it."""
        self.cut = cut
        while cut and self.open:
            with suppress(OSError):
                self.open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                if self.cut:
                    near.close()
                    continue
                far = socket.create_connection(self.to)
                self.open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


class cut_off:  # noqa: N801  # a context manager reads as a verb
    """The bench's platform asks the cluster through a proxy that can be cut."""

    def __init__(self, bench: ClusterBench) -> None:
        self.bench = bench

    def __enter__(self) -> Callable[[bool], None]:
        config = yaml.safe_load(self.bench.kubectl("config", "view", "--raw", "--minify", "--flatten"))
        cluster = config["clusters"][0]["cluster"]
        server = urlsplit(cluster["server"])
        assert server.hostname is not None
        self.proxy = Proxy(server.hostname, server.port or 443)
        cluster["server"] = f"https://127.0.0.1:{self.proxy.server.getsockname()[1]}"
        cluster.setdefault("tls-server-name", server.hostname)
        file = self.bench.state / "kubeconfig"
        file.write_text(yaml.safe_dump(config))
        self.bench.cluster = ApiServer(None, file)
        self.bench.platform = self.bench.another_platform()
        return self.proxy.set

    def __exit__(self, *_: object) -> None:
        self.proxy.server.close()
