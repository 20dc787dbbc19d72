"""A variant's process: load, verify, answer, drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvicorn

from bighead_ci.clocks import ShiftedClock
from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.base import write_atomically
from bighead_ci.documents.live import RESTARTS_FILE, Restarts, ServingProcess, VariantConfig
from bighead_ci.errors import BigheadError, InputError
from bighead_ci.features.online import FeatureReader
from bighead_ci.ports.object_store import ObjectStore
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.ports.scorer import Scorer
from bighead_ci.scorers.artifact import load_artifact
from bighead_ci.serving.code_process import CodeProcess
from bighead_ci.serving.health import WISH_FILE, Health
from bighead_ci.serving.http import WholeAnswerProtocol
from bighead_ci.serving.memory import bound_data
from bighead_ci.serving.metrics import ServingMetrics
from bighead_ci.serving.prediction_log import PredictionLogWriter
from bighead_ci.serving.predictor import Predictor
from bighead_ci.serving.service import ServingApp, make_app

DRAIN_SECONDS = 10
"""How long requests under way may take after SIGTERM."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the router keeps idle connections, so that the router is the one to close them."""
SWITCH_SECONDS = 0.0005
"""How long another thread computes while an answer waits for the interpreter."""
PROCESS_FILE = "process.json"
REFUSAL_FILE = "refusal.txt"


class _Server(uvicorn.Server):
    """Says where it is once it answers, and watches its health."""

    def __init__(self, config: uvicorn.Config, prepared: Prepared, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._prepared = prepared
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._prepared.code is not None:
            await self._prepared.code.attach()
        await super().startup(sockets)
        self._watching = asyncio.create_task(self._prepared.health.watch())
        self._announce()


@dataclass(frozen=True)
class Prepared:
    """A variant that could serve."""

    app: ServingApp
    log: PredictionLogWriter | None
    metrics: ServingMetrics
    health: Health
    code: CodeProcess | None


def open_compiled(config: VariantConfig) -> Scorer:
    """The scorer of an artifact that is loaded in this process.

    Raises:
        InputError: as `load_artifact`.
    """
    return load_artifact(config.artifact_path, config.artifact)


@dataclass(frozen=True)
class Openers:
    """What a variant's process opens of the world around it."""

    online_store: Callable[[VariantConfig], OnlineStore]
    """Asked only if the artifact takes features."""
    prediction_log: Callable[[VariantConfig], ObjectStore | None]
    """Where predictions are logged; None: they are not."""
    scorer: Callable[[VariantConfig], Scorer | CodeProcess] = open_compiled


def serve(config: VariantConfig, openers: Openers) -> int:
    """Serve until SIGTERM; return the exit code.

    The port opens only after the artifact's digest held, every feature set was opened and the golden rows gave the
    recorded scores; otherwise `refusal.txt` says why, and nothing listens.
    """
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in (PROCESS_FILE, REFUSAL_FILE, WISH_FILE):
        (config.directory / name).unlink(missing_ok=True)
    try:
        prepared = prepare(config, openers)
    except BigheadError as error:
        return _refuse(config, str(error), error.exit_code)
    except Exception as error:
        logging.getLogger(__name__).exception("cannot serve")
        return _refuse(config, f"{type(error).__name__}: {error}", 70)
    log = prepared.log
    listener = socket.create_server((config.host, config.port), backlog=2048)
    port = listener.getsockname()[1]
    settings = uvicorn.Config(
        prepared.app,
        http=WholeAnswerProtocol,
        loop="uvloop",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )

    def announce() -> None:
        prepared.metrics.ready.set(1)
        ServingProcess(pid=os.getpid(), port=port).write(config.directory / PROCESS_FILE)

    # uvicorn raises the signal again once it has drained; left alone, that would end the process with rows unwritten.
    signal.signal(signal.SIGTERM, lambda *_: None)
    if log is not None:
        log.start()
    _let_answers_go_first()
    try:
        _Server(settings, prepared, announce).run(sockets=[listener])
    finally:
        if prepared.code is not None:
            prepared.code.stop()
        if log is not None:
            log.close()
    return 0


def prepare(config: VariantConfig, openers: Openers) -> Prepared:
    """Everything that must hold before the variant is ready.

    Raises:
        InputError: the artifact is not the one promised, is damaged, takes more memory than it may, or a feature set is
            absent or means another thing.
    """
    scorer = openers.scorer(config)
    manifest = scorer.manifest
    if (manifest.model, manifest.version) != (config.model, config.version):
        raise InputError(
            f"artifact {config.artifact} is of {manifest.model}/{manifest.version}, "
            f"not of {config.model}/{config.version}"
        )
    metrics = ServingMetrics(config, [column.name for column in manifest.inputs], manifest.target)
    store = openers.prediction_log(config)
    log = None if store is None else PredictionLogWriter(store, config, metrics)
    clock = ShiftedClock(timedelta(seconds=config.clock_offset_seconds))
    features = _open_features(manifest, config, openers)
    predictor = Predictor(config, scorer=scorer, features=features, metrics=metrics, log=log, clock=clock)
    code = scorer if isinstance(scorer, CodeProcess) else None
    health = Health(config, metrics, code)
    app = make_app(config, predictor, metrics, health)
    health.check_room()
    if config.memory_bytes is not None and code is None:
        bound_data(config.memory_bytes)
    metrics.process_restarts.inc(_restarts(config.directory))
    return Prepared(app, log, metrics, health, code)


def _let_answers_go_first() -> None:
    """Keep what Python does by itself from delaying answers beside long lists.

    What is loaded stays, and a collection that visits all of it takes 0.2 s. The log's thread computes beside the
    answers, which wait for the interpreter's lock each time they touch the store: up to 5 ms unless told otherwise.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


def _restarts(directory: Path) -> int:
    with suppress(OSError, ValueError):
        return Restarts.read(directory / RESTARTS_FILE).count
    return 0


def _open_features(manifest: ArtifactManifest, config: VariantConfig, openers: Openers) -> FeatureReader | None:
    if not manifest.features:
        return None
    reader = FeatureReader(openers.online_store(config))
    for schema in manifest.features:
        reader.open(schema)
    return reader


def _refuse(config: VariantConfig, reason: str, code: int) -> int:
    sys.stderr.write(f"refuses to serve: {reason}\n")
    write_atomically(config.directory / REFUSAL_FILE, reason.encode())
    return code
