"""Environment variables that a workspace's processes hand to each other."""

from __future__ import annotations

import os

STATE = "BIGHEAD_STATE"
"""Names the state directory; so does the setting `STATE_SETTING`."""
STATE_SETTING = "bighead.state"
"""In a clone's git config."""
USER = "BIGHEAD_USER"
"""Who is at the keyboard."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
}
"""No library reports home."""


def silence_libraries() -> None:
    """Keep every library from reporting home, here and in all processes that are started.

    To be called before one of them is imported.
    """
    os.environ.update(QUIET)
