"""Which variants stay ready without traffic for a while after they left a release, so that going back takes seconds."""

from __future__ import annotations

from datetime import datetime

from bighead_ci.delivery.desired import process_name
from bighead_ci.delivery.main import Main
from bighead_ci.documents.definition import duration


def standby(main: Main, environment: str, model: str, now: datetime) -> list[str]:
    """Process names of variants that were the stable one of this release less than `keep_warm` ago.

    A candidate that was reverted is not kept. What is named here and runs is as it should be; what does not run is not
    started.
    """
    warm = duration(main.desired.environment(environment).keep_warm)
    names = []
    for edit in main.log.since(now - warm, environment, model):
        release, _ = main.reader.attempt(environment, model, edit.before)
        if release is not None and now - edit.commit.at < warm:
            names.append(process_name(model, release.stable))
    current = main.desired.release(environment, model) if names else None
    serving = {process_name(model, variant) for variant in current.variants} if current else set()
    return [name for name in dict.fromkeys(names) if name not in serving]
