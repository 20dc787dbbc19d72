"""The bench of the local platform with containers of a real Docker engine in the place of processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from bighead_ci.docker_engine import connect
from bighead_ci.documents.image import LocalImage
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.images.containers import ContainerImageBuilder, Place
from bighead_ci.platforms.containers import ContainerHost, ContainerImage, ContainerRuntime
from bighead_ci.platforms.local import LocalPlatform
from bighead_ci.ports.progress import silent
from fakes.docker_bench import base_image
from fakes.local_bench import LocalBench, image_recipe

LOCK = Path("bighead_ci/definitions/locks/serving.lock")
"""Of a new version: what a compiled model needs to serve."""


@cache
def builder(layers: Path) -> ContainerImageBuilder:
    """Images of the engine that the environment names."""
    return ContainerImageBuilder(connect(), Place(layers, base_image()), InstalledEngine())


def opened(images: ContainerImageBuilder, reference: str) -> ContainerImage | None:
    """As the composition root has it."""
    manifest = images.find(reference)
    return ContainerImage(images.name_in_engine(reference), manifest) if manifest else None


class ContainerBench(LocalBench):
    """Its variants are containers."""

    def __init__(self, shared: Path, state: Path) -> None:
        self.built = builder(shared / "layers")
        super().__init__(shared, state)

    def another_platform(
        self, port: int = 0, open_image: Callable[[str], LocalImage | None] | None = None
    ) -> LocalPlatform:
        """A second hand on the same state."""
        assert open_image is None
        host = ContainerHost(connect, partial(opened, self.built))
        return self.platform_of(partial(ContainerRuntime, host=host), port)

    def image(self, model: str, version: str) -> str:
        """Built in the engine."""
        recipe, tree = image_recipe(model, version, self.engine, LOCK.read_text())
        return self.built.ensure(recipe, tree, silent).reference

    def containers(self) -> list[str]:
        """Names of what the engine has of this state's variants, dead or alive."""
        told = connect().api.containers(all=True, filters={"label": "bighead.directory"})
        mounted = {one["Names"][0].lstrip("/"): [mount["Source"] for mount in one["Mounts"]] for one in told}
        return sorted(name for name, sources in mounted.items() if any(str(self.state) in one for one in sources))
