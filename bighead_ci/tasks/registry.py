"""The tasks that there are."""

from __future__ import annotations

from collections.abc import Sequence

from bighead_ci.documents.metrics import MetricDefinition
from bighead_ci.errors import InputError
from bighead_ci.tasks.binary import Binary
from bighead_ci.tasks.multiclass import Multiclass
from bighead_ci.tasks.ranking import Ranking
from bighead_ci.tasks.regression import Regression
from bighead_ci.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (Binary(), Multiclass(), Regression(), Ranking())}
"""Name in model.yaml → task."""


def _all_metrics(tasks: Sequence[Task]) -> dict[str, MetricDefinition]:
    return {metric.name: metric for task in tasks for metric in task.metrics}


METRICS: dict[str, MetricDefinition] = _all_metrics(list(TASKS.values()))
"""Name → metric of any task. A record of another engine may hold one that is not here."""

OWN_FIELDS = {
    field: [task.name for task in TASKS.values() if field in task.fields]
    for field in sorted({field for task in TASKS.values() for field in task.fields})
}
"""Field of model.yaml → the tasks that have it, of fields that not all have."""


def task_named(name: str) -> Task:
    """A task by its name.

    Raises:
        InputError: there is none.
    """
    try:
        return TASKS[name]
    except KeyError:
        raise InputError(f"there is no task {name!r}; allowed: {', '.join(TASKS)}") from None


def title(metric: str) -> str:
    """A metric's name for people; one that this engine does not know keeps its name."""
    return METRICS[metric].title if metric in METRICS else metric
