"""One prediction with its feature lookups, through the router, beside what else serves the same scikit-learn pipeline.

The peers get every column in the request; ours gets what a caller has and looks the features up. Each is measured
alone: at a steady rate, each answer from the moment its request was due, then by callers that ask again at once.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import outcome, predict_peers
from benchmarks.live import shipped_flights
from benchmarks.load import Target, measured
from bighead_ci.callers.requests import request_bodies
from bighead_ci.definitions.loading import load_model
from bighead_ci.demo.ship import Ship
from bighead_ci.documents.stage import BOOKKEEPING, LABEL
from bighead_ci.features.parquet import read_file
from bighead_ci.planning.stages import TRAINING_SET
from bighead_ci.ports.progress import silent

MODEL, VERSION = "flight_delay", "v2"
ROWS = 200
TIMED = 300
"""Rows that the pipeline scores one by one in this process."""


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Ship, measure ours, then each peer."""
    figures: dict[str, Any] = {}
    with shipped_flights() as ship:
        figures["ours"] = measured(_ours(ship))
        table = _training_set(ship)
        parameters = load_model(ship.context.main().tree, MODEL, VERSION).definition.parameters
        code = ship.clone / "models" / MODEL / VERSION / "model.py"
        model = _fitted(code, parameters, table)
    rows = _inputs(table).head(ROWS)
    figures["pipeline_in_process_ms"] = _one_by_one(model, rows)
    with tempfile.TemporaryDirectory(prefix="bighead-bench-") as name:
        for called, peer in _peers(model, rows).items():
            directory = Path(name) / called
            directory.mkdir()
            try:
                with peer(directory) as target:
                    found = measured(target)
                    figures[called] = found if found["saturated_rps"] else "answers no request"
            except (subprocess.CalledProcessError, TimeoutError) as error:
                figures[called] = f"does not run here: {str(error)[-300:]}"
    return figures, _bars(figures)


def _ours(ship: Ship) -> Target:
    (live,) = [one for one in ship.observed("staging") if one.model == MODEL]
    bodies = request_bodies(ship.context, ship.context.main(), MODEL, VERSION, silent)[:ROWS]
    pids = [variant.pid for variant in live.variants if variant.pid is not None]
    return Target(f"{live.url}/predict", [json.dumps(body).encode() for body in bodies], pids)


def _training_set(ship: Ship) -> pd.DataFrame:
    """What the version was trained on; its stages ran, so they come from the cache."""
    ship.narrator.bighead("train", f"models/{MODEL}/{VERSION}")
    frame: pd.DataFrame = read_file(ship.clone / "models" / MODEL / VERSION / "out" / TRAINING_SET).to_pandas()
    return frame


def _inputs(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=[name for name in (*BOOKKEEPING, LABEL) if name in table])


def _fitted(code: Path, parameters: dict[str, Any], table: pd.DataFrame) -> Any:
    """The version's own pipeline, fitted as it is."""
    build = runpy.run_path(str(code))["build"]
    rows = table[table["__part"] == "train"]
    return build(parameters).fit(_inputs(rows), rows[LABEL].astype(int))


def _one_by_one(model: Any, rows: pd.DataFrame) -> float:
    times = []
    for number in range(TIMED):
        row = rows.iloc[[number % len(rows)]]
        began = time.perf_counter()
        model.predict_proba(row)
        times.append(time.perf_counter() - began)
    return round(float(np.median(times)) * 1000, 3)


def _peers(model: Any, rows: pd.DataFrame) -> dict[str, Callable[[Path], AbstractContextManager[Target]]]:
    return {
        "echo": lambda directory: predict_peers.echo(directory, rows),
        "bentoml": lambda directory: predict_peers.bento(directory, model, rows),
        "mlflow_serve": lambda directory: predict_peers.mlflow_serve(directory, model, rows),
        "mlserver": lambda directory: predict_peers.mlserver(directory, model, rows),
    }


def _bars(figures: dict[str, Any]) -> dict[str, tuple[float, float]]:
    ours, echo, peer = figures["ours"], figures["echo"], figures["mlflow_serve"]
    return {
        "ours_p50_ms": (ours["p50_ms"], 2.0),
        "ours_p95_ms": (ours["p95_ms"], 5.0),
        "mlflow_serve_rps_of_ours": (round(peer["saturated_rps"] / ours["saturated_rps"], 3), 0.2),
        "ours_p50_of_echo": (round(ours["p50_ms"] / echo["p50_ms"], 2), 3.0),
    }


if __name__ == "__main__":
    outcome.run("predict", __doc__ or "", measure)
