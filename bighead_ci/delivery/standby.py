"""Which variants stay ready without traffic for a while after they left a release, so that going back takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from bighead_ci.delivery.context import Context
from bighead_ci.delivery.desired import Desired, process_name
from bighead_ci.delivery.history import release_at
from bighead_ci.documents.definition import duration

LOOK_BACK = 8
"""Commits of a release file that are looked at."""


def standby(context: Context, desired: Desired, environment: str, model: str) -> list[str]:
    """Process names of variants that were the stable one of this release less than `keep_warm` ago.

    A candidate that was reverted is not kept. What is named here and runs is as it should be; what does not run is not
    started.
    """
    path = f"environments/{environment}/{model}.yaml"
    commits = context.repository.log(desired.commit, path, limit=LOOK_BACK)
    now = context.clock.now()
    warm = duration(desired.environment(environment).keep_warm)
    current = desired.release(environment, model)
    serving = {process_name(model, variant) for variant in current.variants} if current else set()
    ended: Sequence[tuple[str, datetime]] = [(older.id, newer.at) for newer, older in pairwise(commits)]
    names = []
    for commit, until in ended:
        if now - until >= warm:
            break
        release, _ = release_at(context, commit, environment, model)
        if release is not None:
            names.append(process_name(model, release.stable))
    return [name for name in dict.fromkeys(names) if name not in serving]
