"""Environments of a workspace that run on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from bighead_ci.workspaces.layout import Workspace

if TYPE_CHECKING:
    from bighead_ci.documents.environment import KubernetesEnvironment
    from bighead_ci.platforms.kubernetes.platform import KubernetesPlatform
    from bighead_ci.ports.clock import Clock
    from bighead_ci.ports.tree import Tree


def cluster_platform(
    workspace: Workspace, environment: str, definition: KubernetesEnvironment, main: Callable[[], Tree], clock: Clock
) -> KubernetesPlatform:
    """The platform of one; its cluster is not asked before it is used. `main`: its files as they are when asked."""
    from bighead_ci.manifests.release import render_release
    from bighead_ci.platforms.kubernetes.api import ApiServer
    from bighead_ci.platforms.kubernetes.platform import KubernetesPlatform

    return KubernetesPlatform(
        environment,
        definition,
        state=workspace.platform,
        cluster=ApiServer(definition.context),
        committed=partial(_rendered, environment, main),
        renderer=partial(render_release, definition),
        clock=clock,
    )


def known_cluster(workspace: Workspace, environment: str) -> KubernetesEnvironment | None:
    """What an environment was when its cluster was used last; None: it runs on none, or was stopped."""
    from bighead_ci.documents.environment import KubernetesEnvironment
    from bighead_ci.platforms.kubernetes.platform import DEFINITION

    file = workspace.platform / environment / DEFINITION
    return KubernetesEnvironment.read(file) if file.exists() else None


def _rendered(environment: str, main: Callable[[], Tree], model: str) -> Mapping[str, bytes]:
    """The files that main has rendered of a release: name → content."""
    from bighead_ci.documents.release import rendered_directory

    directory, tree = f"{rendered_directory(environment, model)}/", main()
    return {path.removeprefix(directory): tree.read(path) for path in tree.files() if path.startswith(directory)}
