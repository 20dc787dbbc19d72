"""Container images of an example: seconds of a cold build and of a rebuild after an edit of model.py, and sizes.

Needs a Docker engine (`DOCKER_HOST`), root and mmdebstrap: the base is made here, since nothing can be pulled. The
engine's build cache is emptied first; wheels come from uv's cache where it has them. `bentoml containerize` of the same
pipeline needs an index that a container of the build reaches: of its image, only the packages are unpacked and weighed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docker.models.images import Image
from uv import find_uv_bin

from benchmarks import outcome
from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree, OverlaidTree
from bighead_ci.docker_engine import connect
from bighead_ci.documents.inputs import Image as ImageName
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.images.containers import ContainerImageBuilder, Place
from bighead_ci.planning.inputs import Inputs
from bighead_ci.ports.progress import silent
from bighead_ci.ports.tree import Tree

REBUILD_SECONDS = 5.0
MEGABYTES = 400.0
MODEL, VERSION = "flight_delay", "v1"
BENTO = ("bentoml>=1.4.38,<1.5", "pandas<3", "scikit-learn", "skops")
"""What a service of the pipeline needs, as its bentofile would say."""
REPEATS = 3


def _ensure(builder: ContainerImageBuilder, tree: Tree, image: ImageName) -> tuple[Image, float]:
    inputs = Inputs(Files(tree), InstalledEngine())
    recipe = inputs.recipe(image, inputs.definitions.model(MODEL, VERSION))
    started = time.perf_counter()
    reference = builder.ensure(recipe, tree, silent).reference
    seconds = time.perf_counter() - started
    return connect().images.get(builder.name_in_engine(reference)), seconds


def _edited(tree: Tree, number: int) -> Tree:
    path = f"models/{MODEL}/{VERSION}/model.py"
    return OverlaidTree(tree, {path: tree.read(path) + f"# {number}\n".encode()})


def _layers(image: Image) -> dict[str, float]:
    """Megabytes of the base and of each layer above it, as they lie in the engine."""
    own, engine, environment, *base = (layer["Size"] / 1e6 for layer in image.history() if layer["Size"])
    return {"base": sum(base), "environment": environment, "engine": engine, "own_files": own}


def _megabytes(directory: Path) -> float:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def _bento_megabytes(directory: Path) -> float:
    """Of the packages alone that a BentoML image of the pipeline holds."""
    command = [find_uv_bin(), "pip", "install", "--quiet", "--target", str(directory), *BENTO]
    subprocess.run(command, check=True, capture_output=True)
    return _megabytes(directory)


def _largest(directory: Path) -> dict[str, float]:
    """The largest of an environment's packages."""
    sizes = {path.name: _megabytes(path) for path in directory.iterdir() if path.is_dir()}
    return dict(sorted(sizes.items(), key=lambda one: -one[1])[:6])


def _unpacked(tree: Tree, directory: Path) -> Path:
    lock = directory / "lock.txt"
    lock.write_bytes(Files(tree).valid_lock(f"models/{MODEL}/{VERSION}/serving.lock").text)
    target = directory / "environment"
    command = [find_uv_bin(), "pip", "install", "--quiet", "--require-hashes", "--target", str(target), "-r", str(lock)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def measure() -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Build, edit, build again; weigh what came out."""
    sys.path.insert(0, "tests")
    from fakes.docker_bench import base_image, remove_images  # noqa: PLC0415 - a base is made as tests make theirs

    tree = DirectoryTree(Path())
    with TemporaryDirectory() as name:
        builder = ContainerImageBuilder(connect(), Place(Path(name) / "layers", base_image()), InstalledEngine())
        try:
            connect().api.prune_builds()
            serve, cold = _ensure(builder, tree, "serve")
            edits = [_ensure(builder, _edited(tree, number), "serve")[1] for number in range(REPEATS)]
            train, train_cold = _ensure(builder, tree, "train")
            layers = _layers(serve)
            figures: dict[str, Any] = {
                "cold_build_seconds": round(cold, 2),
                "cold_build_of_train_seconds": round(train_cold, 2),
                "rebuild_after_edit_seconds": [round(one, 2) for one in edits],
                "serve_megabytes": round(sum(layers.values())),
                "serve_megabytes_by_layer": {layer: round(size, 1) for layer, size in layers.items()},
                "train_megabytes": round(sum(_layers(train).values())),
                "largest_packages": {k: round(v) for k, v in _largest(_unpacked(tree, Path(name))).items()},
                "bentoml_packages_megabytes": round(_bento_megabytes(Path(name) / "bento")),
            }
        finally:
            remove_images(connect(), builder)
    return figures, {
        "rebuild_seconds": (max(figures["rebuild_after_edit_seconds"]), REBUILD_SECONDS),
        "serve_megabytes": (figures["serve_megabytes"], MEGABYTES),
    }


if __name__ == "__main__":
    outcome.run("images", __doc__.splitlines()[0], measure)
