"""Problems of environments and releases across files."""

from __future__ import annotations

from collections.abc import Iterator

from bighead_ci.definitions.check_clusters import cluster_problems, misplaced_problems
from bighead_ci.definitions.files import Files, Place, Read
from bighead_ci.documents.environment import DockerEnvironment, KubernetesEnvironment, LocalEnvironment, Router
from bighead_ci.errors import Problem


def environment_problems(files: Files, place: Place) -> Iterator[Problem]:
    """Everything wrong with one environment beyond its schema."""
    definition, read = files.environment(place.name), files.read(place)
    if definition is None or read is None:
        return
    steps = definition.canary.steps
    if steps != sorted(set(steps)) or steps[-1] != 100:  # noqa: PLR2004 - percent
        yield read.problem(place.file, ("canary", "steps"), "must rise and end at 100", str(steps))
    others = [name for name in files.names("environment") if name != place.name]
    before = definition.promotes_from
    if before is not None and before not in others:
        message = (
            "an environment cannot promote from itself" if before == place.name else "there is no such environment"
        )
        yield read.problem(place.file, ("promotes_from",), message, before, others)
    elif cycle := _cycle(files, place.name):
        yield read.problem(place.file, ("promotes_from",), "the environments promote in a circle", " → ".join(cycle))
    if isinstance(definition, LocalEnvironment | DockerEnvironment):
        yield from _address_problems(files, place, read, definition.router)
    if isinstance(definition, KubernetesEnvironment):
        yield from cluster_problems(files, place, read, definition)


def _address_problems(files: Files, place: Place, read: Read, router: Router) -> Iterator[Problem]:
    """Two routers on this machine need two addresses."""
    for name in files.names("environment"):
        other = files.environment(name)
        if name == place.name or not isinstance(other, LocalEnvironment | DockerEnvironment) or not router.port:
            continue
        if (other.router.host, other.router.port) == (router.host, router.port):
            value = f"{router.host}:{router.port}"
            yield read.problem(place.file, ("router", "port"), f"environment {name} uses the same address", value)


def _cycle(files: Files, name: str) -> list[str]:
    chain, here = [name], files.environment(name)
    while here and here.promotes_from:
        before = here.promotes_from
        if before in chain:
            return [*chain, before] if before == name else []
        chain.append(before)
        here = files.environment(before)
    return []


def release_problems(files: Files, place: Place) -> Iterator[Problem]:
    """A release stands beside its environment, and its versions can serve there."""
    release = files.release(place.of, place.name)
    for version in sorted({variant.version for variant in release.variants} if release else ()):
        yield from misplaced_problems(files, place.of, place.name, version)
    if Place("environment", place.of) not in files.places:
        allowed = ", ".join(files.names("environment")) or "none yet"
        yield Problem(file=place.file, message="there is no such environment", value=place.of, allowed=allowed)
