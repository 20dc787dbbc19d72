"""What `bighead train` leaves for people: the run of a checkout against what runs now, before its pull request."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.delivery.comparison import compare_predictions, drift_of_sample, package_changes, request_changes
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.gates import judge_pull_request
from bighead_ci.delivery.running import running_versions
from bighead_ci.delivery.stages.confinement import sandbox_of_run
from bighead_ci.delivery.stages.results import MeasuredConversion
from bighead_ci.documents.record import RunRecord, RunResult, Timings
from bighead_ci.documents.report import ModelReport, TrainedReport
from bighead_ci.planning.stages import CONVERSION, PREDICTIONS, RECORD, SAMPLE

TRAINED_PAGE = "report.html"
"""Beside what the stages left."""


def report_trained(context: Context, out: Path, timings: Timings, seconds: float) -> Path:
    """Compare what the stages left in `out` with what environments run, ask main's gates, and write the page.

    Nothing is recorded: a pull request's checks judge anew.

    Raises:
        InputError: a gate or a release of the model on main has problems.
        RetryError: the disk is full.
    """
    main = context.main()
    result = RunResult.read(out / RECORD)
    now = context.clock.now()
    # No commit has these files for certain: an empty run id says that this is no record, and pages show no commit.
    record = RunRecord(
        **dict(result),
        run_id="",
        commit=main.commit,
        recorded_at=now,
        images={},
        timings=timings,
        row_milliseconds=MeasuredConversion.read(out / CONVERSION).milliseconds,
        sandbox=sandbox_of_run(out),
    )
    running = running_versions(context, main.desired, record.model)
    found = compare_predictions(context, record.evaluation.target, out / PREDICTIONS, running)
    moved = drift_of_sample(context, record, out / SAMPLE, running)
    model = ModelReport(
        record=record,
        running=running,
        differences=found.differences,
        uncompared=found.uncompared,
        drift=moved,
        verdict=judge_pull_request(main.gates, main.desired, record, found.differences, running, moved),
        reused=False,
        seconds=round(seconds, 1),
        request_changes=request_changes(record, running),
        package_changes=package_changes(record, running),
        links=[],
    )
    page = out / TRAINED_PAGE
    context.renderer.trained(TrainedReport(base=main.commit, at=now, model=model), page)
    return page
