"""A local platform with images and tiny artifacts, ready to run variants."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import psutil

from bighead_ci.clocks import SystemClock
from bighead_ci.definitions.files import Files
from bighead_ci.documents.definition import Serving
from bighead_ci.documents.environment import Router
from bighead_ci.documents.image import ImageRecipe, LocalImage
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel, LiveVariant
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.images.process import ProcessImageBuilder
from bighead_ci.images.python_environments import PythonEnvironments
from bighead_ci.planning.inputs import Inputs
from bighead_ci.platforms.local import LocalPlatform
from bighead_ci.platforms.processes import ProcessRuntime
from bighead_ci.platforms.runtime import Runtime
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.progress import silent
from fakes.memory_tree import MemoryTree, model_files, repository
from fakes.tiny_artifact import write_tiny_artifact

ROW = {"distance": 500.0, "delay": 1.0}
SLOPES = {"v1": 0.001, "v2": 0.002}


def satisfied_lock() -> str:
    """A lock that the running interpreter satisfies."""
    return f"numpy=={metadata.version('numpy')} \\\n    --hash=sha256:{'0' * 64}\n"


def image_recipe(model: str, version: str, engine: Engine, lock: str) -> tuple[ImageRecipe, MemoryTree]:
    """What planning says that a serving image of a version is made of, and the files."""
    folder = f"models/{model}/{version}"
    tree = MemoryTree(repository(**{**model_files(folder), f"{folder}/serving.lock": lock}))
    inputs = Inputs(Files(tree), engine)
    return inputs.recipe("serve", inputs.definitions.model(model, version)), tree


class LocalBench:
    """Artifacts and images that tests share, and one platform state."""

    def __init__(self, shared: Path, state: Path) -> None:
        self.engine = InstalledEngine()
        self.images = ProcessImageBuilder(shared / "images", self.engine, PythonEnvironments(shared / "environments"))
        self.artifacts: dict[str, Path] = {}
        self.state = state
        self.predictions = state / "predictions"
        self.platform = self.another_platform()

    def another_platform(
        self, port: int = 0, open_image: Callable[[str], LocalImage | None] | None = None
    ) -> LocalPlatform:
        """A second hand on the same state, as another process would have it."""
        runtime = partial(ProcessRuntime, open_image=open_image or self.images.open, bytecode=self.state / "bytecode")
        return self.platform_of(runtime, port)

    def image(self, model: str, version: str) -> str:
        """A reference of an image that serves artifacts of a version."""
        recipe, tree = image_recipe(model, version, self.engine, satisfied_lock())
        return self.images.ensure(recipe, tree, silent).reference

    def platform_of(self, runtime: Callable[[Path], Runtime], port: int = 0) -> LocalPlatform:
        """A platform on this state whose variants run in something."""
        return LocalPlatform(
            "prod",
            self.state / "platform",
            router=Router(port=port),
            runtime=runtime,
            artifact=lambda digest: self.artifacts[digest],
            online_store=self.state / "online-store",
            predictions=self.predictions,
            clock=SystemClock(),
        )

    def variant(self, version: str, *, model: str = "tiny", weight: int = 0, **serving: Any) -> DesiredVariant:
        """A variant whose artifact and image exist."""
        directory = self.state / "artifacts" / f"{model}-{version}"
        artifact = write_tiny_artifact(directory, version=version, slope=SLOPES[version], model=model)
        self.artifacts[artifact] = directory
        name = f"{model}-{version}-{artifact[7:15]}"
        return DesiredVariant(
            name=name,
            model=model,
            version=version,
            image=self.image(model, version),
            artifact=artifact,
            run="run",
            weight=weight,
            serving=Serving(**serving),
        )

    def live(self, name: str) -> LiveVariant:
        """One variant as the platform observes it."""
        return next(v for m in self.platform.observe() for v in m.variants if v.name == name)

    def model(self, model: str = "tiny") -> LiveModel:
        """A model as the platform observes it."""
        return next(m for m in self.platform.observe() if m.model == model)

    def url(self, model: str = "tiny") -> str:
        """Where callers reach a model."""
        return self.model(model).url

    def kill(self, name: str) -> None:
        """Kill a variant's process without warning."""
        pid = self.live(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[str]:
        """Command lines of living processes that belong to this state."""
        marker = str(self.state)
        return [
            " ".join(p.info["cmdline"])
            for p in psutil.process_iter(["cmdline", "status"])
            if p.info["status"] != psutil.STATUS_ZOMBIE and any(marker in part for part in p.info["cmdline"] or ())
        ]


def desired(*variants: DesiredVariant, model: str = "tiny") -> DesiredModel:
    """The traffic of a model in `prod`."""
    return DesiredModel(environment="prod", model=model, commit="a" * 40, variants=list(variants))


def weighted(variant: DesiredVariant, weight: int) -> DesiredVariant:
    """The variant with another weight."""
    return variant.model_copy(update={"weight": weight})


@contextmanager
def load(url: str, callers: int = 2) -> Iterator[Counter[str]]:
    """Predict without pause; counts `<status> <version>`, or the failure's name, until the block ends."""
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def call() -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while not stop.is_set():
                try:
                    answer = client.post(f"{url}/predict", json=ROW)
                    seen[f"{answer.status_code} {answer.headers.get('x-bighead-version')}"] += 1
                except httpx.HTTPError as error:
                    seen[type(error).__name__] += 1

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()
