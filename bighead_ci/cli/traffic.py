"""`bighead traffic`: rows of a model's spine source, or of a file, sent at a steady rate."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import click

from bighead_ci import wiring
from bighead_ci.callers.requests import AHEAD, request_bodies, requests_from
from bighead_ci.callers.traffic import Traffic, TrafficSummary
from bighead_ci.cli.output import EXIT_REFUSED, answer, json_option, reports_errors, say, utc_moment
from bighead_ci.errors import InputError

POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command("traffic")
@click.argument("model")
@click.option("--env", "environment", required=True, help="Environment whose router is asked.")
@click.option("--rate", type=POSITIVE, default=100.0, show_default=True, help="Requests a second.")
@click.option("--seconds", type=POSITIVE, default=10.0, show_default=True, help="How long.")
@click.option(
    "--from",
    "start",
    metavar="MOMENT",
    default=None,
    help="First moment of the rows (2026-01-31T12:00:00, in UTC); default: the workspace's.",
)
@click.option(
    "--hours",
    type=POSITIVE,
    default=None,
    help="How long after that moment rows may be; default: 2. More rows are a better sample of what a model is asked.",
)
@click.option(
    "--rows",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Send the rows of a .parquet, .csv or .json file instead.",
)
@json_option
@reports_errors
def traffic_command(
    model: str,
    environment: str,
    rate: float,
    seconds: float,
    start: str | None,
    hours: float | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Send MODEL requests; exit code 1 if any failed.

    They are made of the rows of its spine's source in the --hours from --from on. Features are always looked up as of
    the workspace's moment (bighead workspace moment).

    --rows sends others: a row is a request. Parquet and CSV have a column for each field of the request; other columns
    are not sent, nor are nulls. JSON is a list of bodies, or has one a line, sent as they are.

    One line a second says what was answered in it, and by which versions. Ctrl-C ends it early; the sum comes last.
    """
    if file is not None and (start is not None or hours is not None):
        raise InputError("--rows excludes --from and --hours: rows of a file are all sent, whatever their time")
    context = wiring.context()
    main = context.main()
    release = main.desired.release(environment, model)
    observed = context.platform(environment, main.desired.environment(environment)).observe()
    live = next((m for m in observed if m.model == model), None)
    if release is None or live is None:
        raise InputError(f"{model} does not serve in {environment}; what does: bighead status")
    version = release.stable.version
    if file is not None:
        bodies = requests_from(main, model, version, file)
    else:
        first = utc_moment(start, "--from") if start else None
        ahead = AHEAD if hours is None else timedelta(hours=hours)
        bodies = request_bodies(context, main, model, version, say, first, ahead)
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
