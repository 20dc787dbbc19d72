"""One prediction with its features, through the router, in every kind, beside what else serves the same pipeline.

The peers get every column in the request; ours gets what a caller has and looks the features up. Each is measured
alone: at a steady rate, each answer from the moment its request was due, then by callers that ask again at once.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import outcome, predict_peers
from benchmarks.live import shipped_flights
from benchmarks.load import Target, beside_lists, measured
from benchmarks.predict_variants import BASELINE, REGRESSION, TREES, Trained, Variants, training_columns
from bighead_ci.definitions.loading import load_model
from bighead_ci.definitions.tree import DirectoryTree

KINDS: Mapping[str, Callable[[Variants], Trained]] = {
    "linear": lambda variants: variants.trained(BASELINE),
    "onnx": Variants.as_graph,
    "trees": lambda variants: variants.trained(TREES),
    "xgboost": Variants.with_xgboost,
    "regression": lambda variants: variants.trained(REGRESSION),
    "python": Variants.as_python,
}
COMPILED = ("linear", "onnx", "trees", "xgboost", "regression")
PEERS = ("echo", "routed_echo", "bentoml", "mlflow_serve", "mlserver")
LISTS = "trees_beside_lists"
PARTS = (*KINDS, LISTS, *PEERS)
TIMED = 300
"""Rows that the pipeline scores one by one in this process."""

Peer = Callable[[Path], AbstractContextManager[Target]]


def measure(parts: Collection[str]) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Train and serve ours one after the other, then each peer."""
    figures: dict[str, Any] = {}
    with shipped_flights() as ship, tempfile.TemporaryDirectory(prefix="bighead-bench-") as name:
        scratch = Path(name)
        variants = Variants(ship, scratch)
        trees = variants.trained(TREES)
        for kind, make in KINDS.items():
            if kind in parts:
                _keep(figures, kind, _ours(variants, kind, make))
        if LISTS in parts:
            with variants.served("lists", trees) as target:
                _keep(figures, LISTS, beside_lists(target))
        peers = _peers(trees, figures)
        for called in PEERS:
            if called in parts:
                _keep(figures, called, _peer(peers[called], scratch / called))
    return figures, _bars(figures)


def _keep(figures: dict[str, Any], part: str, found: Any) -> None:
    """And say it at once, for a run that is cut short."""
    figures[part] = found
    sys.stderr.write(f"{part}: {found}\n")


def _ours(variants: Variants, called: str, make: Callable[[Variants], Trained]) -> dict[str, Any]:
    version = make(variants)
    with variants.served(called, version) as target:
        found: dict[str, Any] = measured(target)
    return {"kind": version.manifest.kind, **found, "in_process_ms": version.in_process_ms()}


def _peers(trees: Trained, figures: dict[str, Any]) -> dict[str, Peer]:
    """By name; what they serve is v2's own pipeline, fitted as it is."""
    rows, labels, asked = training_columns(trees)
    parameters = load_model(DirectoryTree(trees.checkout), "flight_delay", "v2").definition.parameters
    model = runpy.run_path(str(trees.path / "model.py"))["build"](parameters).fit(rows, labels)
    times = []
    for number in range(TIMED):
        row = asked.iloc[[number % len(asked)]]
        began = time.perf_counter()
        model.predict_proba(row)
        times.append(time.perf_counter() - began)
    figures["pipeline_in_process_ms"] = round(float(np.median(times)) * 1000, 3)
    return {
        "echo": lambda directory: predict_peers.echo(directory, asked),
        "routed_echo": lambda directory: predict_peers.routed_echo(directory, asked),
        "bentoml": lambda directory: predict_peers.bento(directory, model, asked),
        "mlflow_serve": lambda directory: predict_peers.mlflow_serve(directory, model, asked),
        "mlserver": lambda directory: predict_peers.mlserver(directory, model, asked),
    }


def _peer(peer: Peer, directory: Path) -> dict[str, float] | str:
    directory.mkdir()
    try:
        with peer(directory) as target:
            found = measured(target)
            return found if found["saturated_rps"] else "answers no request"
    except (subprocess.CalledProcessError, TimeoutError) as error:
        return f"does not run here: {str(error)[-300:]}"


def _bars(figures: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Those of what was measured."""
    bars: dict[str, tuple[float, float]] = {}
    for kind in COMPILED:
        if kind not in figures:
            continue
        ours = figures[kind]
        bars[f"{kind}_p50_ms"] = (ours["p50_ms"], 2.0)
        bars[f"{kind}_p95_ms"] = (ours["p95_ms"], 5.0)
        if isinstance(peer := figures.get("mlflow_serve"), dict):
            bars[f"mlflow_serve_rps_of_{kind}"] = (round(peer["saturated_rps"] / ours["saturated_rps"], 3), 0.2)
        for called in ("echo", "routed_echo"):
            if isinstance(echo := figures.get(called), dict):
                bars[f"{kind}_p50_of_{called}"] = (round(ours["p50_ms"] / echo["p50_ms"], 2), 3.0)
    if "python" in figures:
        python = figures["python"]
        bars["python_p50_beyond_in_process_ms"] = (round(python["p50_ms"] - python["in_process_ms"], 3), 1.5)
    return bars


if __name__ == "__main__":
    outcome.run("predict", __doc__ or "", measure, PARTS)
