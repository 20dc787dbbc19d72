"""Labels and annotations of what Bighead has in a cluster: whoever renders writes them, whoever observes reads them."""

from __future__ import annotations

MANAGED_BY = "app.kubernetes.io/managed-by"
BIGHEAD = "bighead"
"""Value of `MANAGED_BY`: what may be pruned once main does not name it."""
ENVIRONMENT = "bighead/environment"
MODEL = "bighead/model"
VERSION = "bighead/version"
VARIANT = "bighead/variant"
"""Name of the variant's process; on its Deployment, its pods and all else that goes when it goes."""
OWNER = "bighead/owner"
ARTIFACT = "bighead/artifact"
"""An annotation: a label has no room for a digest."""
HTTP_PORT = "http"
"""Name of the container port that answers predictions, `/readyz` and `/metrics`."""


def selector(labels: dict[str, str]) -> str:
    """The label selector of all that Bighead has with these labels."""
    return ",".join(f"{key}={value}" for key, value in {MANAGED_BY: BIGHEAD, **labels}.items())
