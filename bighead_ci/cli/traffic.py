"""`bighead traffic`: real rows of a model's spine source, sent at a steady rate."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import click

from bighead_ci import wiring
from bighead_ci.callers.requests import request_bodies
from bighead_ci.callers.traffic import Traffic, TrafficSummary
from bighead_ci.cli.output import EXIT_REFUSED, answer, json_option, reports_errors, say
from bighead_ci.errors import InputError

POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command("traffic")
@click.argument("model")
@click.option("--env", "environment", required=True, help="Environment whose router is asked.")
@click.option("--rate", type=POSITIVE, default=100.0, show_default=True, help="Requests a second.")
@click.option("--seconds", type=POSITIVE, default=10.0, show_default=True, help="How long.")
@json_option
@reports_errors
def traffic_command(model: str, environment: str, rate: float, seconds: float, as_json: bool) -> None:
    """Send MODEL rows that happened after the workspace's moment; exit code 1 if any request failed.

    One line a second says what was answered in it, and by which versions. Ctrl-C ends it early; the sum comes last.
    """
    context = wiring.context()
    main = context.main()
    release = main.desired.release(environment, model)
    observed = context.platform(environment, main.desired.environment(environment)).observe()
    live = next((m for m in observed if m.model == model), None)
    if release is None or live is None:
        raise InputError(f"{model} does not serve in {environment}; what does: bighead status")
    bodies = request_bodies(context, main, model, release.stable.version, say)
    with Traffic(f"{live.url}/predict", bodies, rate) as traffic:
        ends = time.monotonic() + seconds
        with suppress(KeyboardInterrupt):
            while time.monotonic() < ends:
                time.sleep(min(1.0, max(0.0, ends - time.monotonic())))
                if not as_json:
                    say(_line(traffic.since(time.monotonic() - 1.0)))
        summary = traffic.stop()
    answer(summary.model_dump(), f"in all: {_line(summary)}", as_json)
    if summary.failed:
        sys.exit(EXIT_REFUSED)


def _line(summary: TrafficSummary) -> str:
    shares = ", ".join(f"{version} {summary.share(version):.1f} %" for version in sorted(summary.by_version))
    times = f"p50 {summary.p50_ms} ms, p95 {summary.p95_ms} ms"
    return f"{summary.requests} requests, {summary.failed} failed, {times}: {shares}"
