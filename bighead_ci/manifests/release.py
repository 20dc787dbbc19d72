"""A release as the files that are committed beside it."""

from __future__ import annotations

from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.documents.release import PlacedRelease
from bighead_ci.manifests.objects import Placed, written
from bighead_ci.manifests.route import route
from bighead_ci.manifests.variant import variant_objects
from bighead_ci.manifests.watching import watching_objects
from bighead_ci.ports.platform import DefinitionOf

ROUTE, WATCHING = "route.yaml", "watching.yaml"


def rendered(placed: Placed) -> dict[str, bytes]:
    """Name of a file in the release's directory → content: one a variant, one of its traffic, one of all else."""
    files = {
        f"{placed.process_name(variant)}.yaml": written(variant_objects(placed, variant))
        for variant in placed.release.release.variants
    }
    files[ROUTE] = written([route(placed)])
    files[WATCHING] = written(watching_objects(placed))
    return dict(sorted(files.items()))


def render_release(
    environment: KubernetesEnvironment, release: PlacedRelease, definition_of: DefinitionOf
) -> dict[str, bytes]:
    """What a release is rendered to in an environment; see `ports.platform.Platform.render`."""
    versions = {variant.version: definition_of(variant.version) for variant in release.release.variants}
    return rendered(Placed(environment, release, versions))
