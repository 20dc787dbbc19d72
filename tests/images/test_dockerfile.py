"""The recipe as a Dockerfile."""

from __future__ import annotations

from bighead_ci.images.dockerfile import Steps, dockerfile

STEPS = Steps(
    title="models/late/v1, to serve",
    target="serve",
    base="bighead/base:5f1c",
    packages=[],
    archives=["environment-1.tar", "engine-2.tar", "late-3.tar"],
    command=["/opt/bighead/environment/bin/python", "-P", "-m", "bighead_ci.entry_points.container"],
)
SERVE = """\
# models/late/v1, to serve. Written by bighead from the version's recipe.
FROM bighead/base:5f1c AS base

FROM base AS serve
ADD environment-1.tar /
ADD engine-2.tar /
ADD late-3.tar /
ENV PYTHONPATH=/opt/bighead/engine PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
NUMBA_CACHE_DIR=/tmp/numba
USER 65534:65534
ENTRYPOINT ["/opt/bighead/environment/bin/python", "-P", "-m", "bighead_ci.entry_points.container"]
CMD []
"""
INSTALLS = """\
FROM bighead/base:5f1c AS base
RUN apt-get -qq update \\
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \\
      libgomp1 \\
      libxml2 \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/*
"""


def test_a_recipe_adds_archives_to_the_base_and_runs_nothing() -> None:
    """In an order in which the rarest to change comes first; as nobody."""
    assert dockerfile(STEPS) == SERVE


def test_debian_packages_are_all_that_a_recipe_runs() -> None:
    """Sorted, in a stage before, so that they are installed once for all that stand on them."""
    found = dockerfile(Steps(**{**vars(STEPS), "packages": ["libxml2", "libgomp1"]}))
    assert INSTALLS in found
    assert found.replace(INSTALLS, "FROM bighead/base:5f1c AS base\n") == SERVE
