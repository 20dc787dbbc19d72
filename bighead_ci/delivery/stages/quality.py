"""Stage `quality`: the expectations of the model and of its feature sets, and a profile of every column.

A failed expectation does not fail the stage: it is evidence, and the gate decides.
"""

from __future__ import annotations

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.delivery.stages.profile import profile_columns
from bighead_ci.delivery.stages.results import Profile
from bighead_ci.documents.record import ExpectationResult, QualityResult
from bighead_ci.documents.stage import BOOKKEEPING, QualitySpec, StageOrder
from bighead_ci.features.parquet import read_file
from bighead_ci.planning.stages import PROFILE, QUALITY, TRAINING_SET
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.quality import ExpectationRunner


def check_quality(place: StagePlace, runner: ExpectationRunner, progress: Progress) -> QualityResult:
    """Leave what the expectations say, and the profile."""
    spec = place.order("quality", StageOrder[QualitySpec]).spec
    table = read_file(place.out / TRAINING_SET)
    results: list[ExpectationResult] = []
    for suite in spec.suites:
        columns = table
        if suite.columns is not None:
            columns = table.select(list(suite.columns)).rename_columns(list(suite.columns.values()))
        results += runner.run(suite.name, suite.expectations, columns)
    quality = QualityResult(results=results)
    quality.write(place.leaving(QUALITY))
    described = [name for name in table.column_names if name not in BOOKKEEPING]
    Profile(columns=profile_columns(table.select(described))).write(place.leaving(PROFILE))
    progress(f"{quality.passed} of {len(results)} expectations hold; {len(described)} columns profiled")
    return quality
