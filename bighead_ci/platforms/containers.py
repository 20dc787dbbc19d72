"""A variant as a container of a Docker engine on this machine.

A container is found by its name, which follows from the variant's directory, and carries as labels what it is. It sees
its artifact and the online store for reading, and for writing a directory in which it says where it is, that of its
own predictions and scratch in memory; nothing of the machine, and no socket of the engine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import LogConfig, Mount

from bighead_ci.docker_engine import answering
from bighead_ci.documents.base import digest_of, short
from bighead_ci.documents.image import CODE, INTERPRETER, ImageManifest
from bighead_ci.documents.live import RESTARTS_FILE, ServingProcess, VariantConfig
from bighead_ci.errors import InputError, RetryError
from bighead_ci.planning.stages import SERVING_ENTRY_POINT
from bighead_ci.platforms.runtime import Instance
from bighead_ci.platforms.variant import PROCESS_FILE
from bighead_ci.processes import LOCALE, last_words
from bighead_ci.serving_environment import serving_environment

INSIDE = Path("/run/bighead")
"""Where a container finds what it is given."""
CONTAINER_PORT = 8080
"""Where one listens that has a network of its own."""
SAID, TOLD = "said", "told.json"
"""What it says of itself, and what it is told; in the variant's directory and inside."""
NOBODY = "65534:65534"
FIRST_PROCESS = 1
"""What a container knows its first process as."""
HEADROOM = 2
"""How many times `serving.memory` a container may take: a process beyond that is replaced while it still answers, and
is refused memory at this bound (`serving.memory`); the kernel ends what gets past both."""
PROCESSES = 1024
"""Processes and threads that one may have."""
SCRATCH = "rw,noexec,nosuid,nodev,size=256m,mode=1777"
LOG = LogConfig(type="json-file", config={"max-size": "10m"})
"""Bounds what an engine keeps of what a container writes."""
KEPT_LINES = 2000
"""Of it that outlive the container."""
_GONE = 404
_IN_USE = 409
"""Status of an answer that says that somebody else does it already."""


@dataclass(frozen=True)
class ContainerImage:
    """An image that containers are started from."""

    name: str
    """What the engine calls it."""
    manifest: ImageManifest


@dataclass(frozen=True)
class ContainerHost:
    """The engine that an environment's containers run in."""

    connect: Callable[[], docker.DockerClient]
    open_image: Callable[[str], ContainerImage | None]
    """The image of a reference, verified; None if it is missing."""

    @property
    def client(self) -> docker.DockerClient:
        """Its client.

        Raises:
            RetryError: no engine answers.
        """
        return self.connect()

    @cached_property
    def bridged(self) -> bool:
        """Whether containers may have a network of their own; else they listen on this machine's loopback."""
        with answering("networks of the Docker engine"):
            return any(network.name == "bridge" for network in self.client.networks.list(names=["bridge"]))

    def named(self, name: str) -> Mapping[str, Any] | None:
        """What the engine says of the container of that name."""
        with answering(f"container {name}"):
            try:
                told: Mapping[str, Any] = self.client.api.inspect_container(name)
            except NotFound:
                return None
            return told

    def written(self, name: str, lines: int) -> bytes | None:
        """The end of what a container wrote; None if it is gone, or just being removed by somebody else."""
        with answering(f"log of {name}"):
            try:
                said: bytes = self.client.api.logs(name, tail=lines)
            except APIError as error:
                if error.status_code not in {_GONE, _IN_USE}:
                    raise
                return None
            return said


class ContainerRuntime:
    """Starts, finds and ends the container of one variant; see the port.

    Args:
        directory: The variant's.
        host: Where containers run.
    """

    def __init__(self, directory: Path, host: ContainerHost) -> None:
        self.said = directory / SAID
        self.log = directory / "log.txt"
        self._directory = directory
        self._host = host
        self._told_file = directory / TOLD
        self._config_file = directory / "variant.json"
        self._identity = digest_of(str(directory))
        self._name = f"bighead-{short(self._identity)}-{directory.name}"
        self._leaving_name = f"{self._name}-leaving"

    def used(self) -> bool:
        """Whether a container was ever made for this directory."""
        return self.said.exists()

    def prepare(self, config: VariantConfig) -> Callable[[], None]:
        """Look for the image; what is answered starts a container of it."""
        image = self._host.open_image(config.image)
        if image is None:
            raise InputError(f"image {config.image} of {config.variant} is missing or damaged")
        return partial(self._start, config, image)

    def _start(self, config: VariantConfig, image: ContainerImage) -> None:
        self._remove(self._name, 0.0)
        mounts = self._mounts(config)  # makes the directories
        self._tell(config)
        with answering(f"{config.variant}: cannot be started"):
            container = self._host.client.containers.create(
                image.name,
                ["-m", image.manifest.entry_point or SERVING_ENTRY_POINT, str(INSIDE / TOLD), CODE],
                entrypoint=[INTERPRETER, "-P"],
                name=self._name,
                labels={
                    "bighead.environment": config.environment,
                    "bighead.model": config.model,
                    "bighead.variant": config.variant,
                    "bighead.config": digest_of(config.model_dump(mode="json")),
                    "bighead.directory": self._identity,
                },
                environment={**serving_environment("/tmp", "/tmp/bytecode"), "LC_ALL": LOCALE},  # noqa: S108 - its own, in memory
                mounts=mounts,
                tmpfs={"/tmp": SCRATCH},  # noqa: S108
                user=_user(),
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                pids_limit=PROCESSES,
                log_config=LOG,
                **_memory(config),
                **self._network(),
            )
            container.start()

    def find(self) -> Instance | None:
        """The living container."""
        told = self._host.named(self._name)
        return Instance(told["State"]["Pid"], FIRST_PROCESS) if told and told["State"]["Running"] else None

    def started(self) -> bool:
        """Whether one was started and not stopped since."""
        return self._host.named(self._name) is not None

    def ended(self) -> bool:
        """Whether it was started and has ended; so it has, for all that can be said, where no engine answers."""
        if not self._told_file.exists():
            return False
        try:
            told = self._host.named(self._name)
        except RetryError:
            return True
        return told is None or not told["State"]["Running"]

    def reached(self, serving: ServingProcess) -> ServingProcess:
        """By this machine's number of its process, and by the port of this machine that leads to it."""
        told = self._host.named(self._name)
        if told is None or not told["State"]["Running"]:
            return ServingProcess(pid=0, port=serving.port)
        published = told["NetworkSettings"]["Ports"].get(f"{CONTAINER_PORT}/tcp")
        port = int(published[0]["HostPort"]) if published else serving.port
        return ServingProcess(pid=told["State"]["Pid"] if serving.pid == FIRST_PROCESS else 0, port=port)

    def set_aside(self) -> None:
        """Keep the container, under another name, until `dismiss`."""
        with answering(f"container {self._name}"):
            self._host.client.api.rename(self._name, self._leaving_name)

    def leaves(self) -> bool:
        """Whether a container before it still answers."""
        return self._host.named(self._leaving_name) is not None

    def dismiss(self, grace_seconds: float) -> None:
        """Stop the container that was set aside."""
        self._remove(self._leaving_name, grace_seconds)

    def stop(self, grace_seconds: float) -> None:
        """Stop the container; one that never answered has nothing to finish."""
        self._remove(self._name, grace_seconds if (self.said / PROCESS_FILE).exists() else 0.0)
        self._told_file.unlink(missing_ok=True)

    def cause(self) -> str:
        """That it was ended for want of memory, with what it asked for."""
        told = self._host.named(self._name)
        if told is None or told["State"]["Running"] or not told["State"]["OOMKilled"]:
            return ""
        config = VariantConfig.read(self._config_file)
        may = told["HostConfig"]["Memory"] >> 20
        asked = (config.memory_bytes or 0) >> 20
        return (
            f"it was OOM-killed: it wanted more than the {may:,} MiB that its container may take, which is {HEADROOM} "
            f"times the {asked:,} MiB that models/{config.model}/{config.version}/model.yaml asks for (serving.memory)"
        )

    def last_words(self, lines: int) -> str:
        """The end of what it wrote."""
        said = self._host.written(self._name, lines)
        return last_words(self.log, lines) if said is None else said.decode(errors="replace").strip()

    def _tell(self, config: VariantConfig) -> None:
        """Write what the container reads: its configuration, with paths as it sees them."""
        with suppress(FileNotFoundError):
            shutil.copy(self._directory / RESTARTS_FILE, self.said)
        bridged = self._host.bridged
        config.model_copy(
            update={
                "artifact_path": INSIDE / "artifact",
                "online_store": INSIDE / "online-store",
                "predictions": INSIDE / "predictions" if config.predictions else None,
                "directory": INSIDE / SAID,
                "host": "0.0.0.0" if bridged else config.host,  # noqa: S104 - of a network of its own
                "port": CONTAINER_PORT if bridged else 0,
            }
        ).write(self._told_file)

    def _mounts(self, config: VariantConfig) -> list[Mount]:
        """What it sees of this machine. What it writes belongs to whom it runs as."""
        config.online_store.mkdir(parents=True, exist_ok=True)
        written = {SAID: self.said}
        if config.predictions is not None:
            own = Path(config.environment, config.model, config.variant)
            written[f"predictions/{own}"] = config.predictions / own
        for directory in written.values():
            directory.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(directory, *map(int, NOBODY.split(":")))
        read = {TOLD: self._told_file, "artifact": config.artifact_path, "online-store": config.online_store}
        return [
            *(Mount(str(INSIDE / at), str(there), type="bind", read_only=True) for at, there in read.items()),
            *(Mount(str(INSIDE / at), str(there), type="bind") for at, there in written.items()),
        ]

    def _network(self) -> dict[str, Any]:
        if self._host.bridged:
            return {"ports": {f"{CONTAINER_PORT}/tcp": ("127.0.0.1", None)}}
        return {"network_mode": "host"}

    def _remove(self, name: str, grace_seconds: float) -> None:
        """Stop a container, keep the end of what it wrote, and remove it."""
        told = self._host.named(name)
        if told is None:
            return
        api = self._host.client.api
        with answering(f"container {name} cannot be stopped"), suppress(NotFound):
            if told["State"]["Running"]:
                api.stop(told["Id"], timeout=round(grace_seconds))
            with self.log.open("ab") as log:
                log.write(self._host.written(told["Id"], KEPT_LINES) or b"")
            try:
                api.remove_container(told["Id"], force=True, v=True)
            except APIError as error:
                if error.status_code != _IN_USE:
                    raise


def _user() -> str:
    """Nobody; whoever runs this where they are not root, for nobody else could read what containers write."""
    return NOBODY if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"


def _memory(config: VariantConfig) -> dict[str, int]:
    """None of the machine's swap beside it."""
    limit = HEADROOM * config.memory_bytes if config.memory_bytes else 0
    return {"mem_limit": limit, "memswap_limit": limit} if limit else {}
