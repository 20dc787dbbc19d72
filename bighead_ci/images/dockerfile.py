"""The recipe of a container image as a Dockerfile. Pure.

All that is added are archives with fixed times and owners, which every BuildKit turns into the same layers; what must
run in the base, Debian's own installer, runs in a stage of its own, and is all that may reach a network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from bighead_ci.documents.image import INTERPRETER
from bighead_ci.documents.inputs import Target

ENVIRONMENT = str(PurePosixPath(INTERPRETER).parents[1]).removeprefix("/")
"""Where the virtual environment of the lock lies, without the first slash."""
ROOT = str(PurePosixPath(ENVIRONMENT).parent)
"""Where everything of ours lies, without the first slash."""
SBOM = "sbom.json"
"""Below `ROOT`: a bill of materials in CycloneDX."""
USER = "65534:65534"
"""Nobody, as Debian and Kubernetes know it."""
_VARIABLES = {
    "PYTHONPATH": f"/{ROOT}/engine",
    "PYTHONSAFEPATH": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    # The root is read-only, and nobody has no home.
    "HOME": "/tmp",  # noqa: S108 - in a container of its own, whose root is read-only
    "NUMBA_CACHE_DIR": "/tmp/numba",  # noqa: S108 - likewise
}


@dataclass(frozen=True)
class Steps:
    """What a Dockerfile is made of."""

    title: str
    """What it is the image of, and what for."""
    target: Target
    base: str
    """What the engine calls it."""
    packages: Sequence[str]
    """Of Debian."""
    archives: Sequence[str]
    """Files of the build's context that become layers, the rarest to change first."""
    command: Sequence[str]
    """What a container runs, before the arguments it is given."""


def dockerfile(steps: Steps) -> str:
    """Its text."""
    lines = [f"# {steps.title}. Written by bighead from the version's recipe.", f"FROM {steps.base} AS base"]
    if steps.packages:
        lines += _installing(sorted(steps.packages))
    lines += ["", f"FROM base AS {steps.target}"]
    lines += [f"ADD {archive} /" for archive in steps.archives]
    lines += [
        f"ENV {' '.join(f'{name}={value}' for name, value in _VARIABLES.items())}",
        f"USER {USER}",
        f"ENTRYPOINT {json.dumps(list(steps.command))}",
        "CMD []",
    ]
    return "\n".join(lines) + "\n"


def _installing(packages: Sequence[str]) -> list[str]:
    return [
        "RUN apt-get -qq update \\",
        " && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \\",
        *(f"      {package} \\" for package in packages),
        " && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/*",
    ]
