"""What determines a result: the inputs of each stage and image of a model version, with their digests. Pure.

This is the one list. The version's `dvc.yaml`, its content key, its images' keys and what a plan says of a change are
views of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from bighead_ci.definitions.files import LOCKS, Files
from bighead_ci.definitions.tree import blob_id
from bighead_ci.documents.base import digest_of, digest_of_bytes
from bighead_ci.documents.definition import VersionedModel
from bighead_ci.documents.engine import Component
from bighead_ci.documents.image import ImageRecipe
from bighead_ci.documents.inputs import LAST_STAGE, Image, VersionInputs
from bighead_ci.documents.stage import StageSpec, TrainingSetSpec
from bighead_ci.planning.imports import Imports, imports_of
from bighead_ci.planning.meaning import Definitions
from bighead_ci.planning.specs import code_files, stage_files, stage_specs
from bighead_ci.planning.stages import LOCK_OF, Server, Stage, earlier, servers_of, stages_of
from bighead_ci.ports.engine import WHOLE, Engine

_PACKAGE = "bighead_ci"


class Inputs:
    """The inputs of model versions of one tree, for one engine; definitions are read once."""

    def __init__(self, files: Files, engine: Engine) -> None:
        self.definitions = Definitions(files)
        self.files = files
        self.engine = engine
        self._specs: dict[str, dict[str, StageSpec]] = {}

    def of(self, model: VersionedModel) -> VersionInputs:
        """The inputs of a version of the tree.

        Raises:
            InputError: something that it names is missing or has problems.
        """
        specs = self._specs_of(model)
        stages: dict[str, dict[str, str]] = {}
        for stage in _stages(model):
            named = self._inputs(stage, model, specs[stage.name])
            found = VersionInputs(model=model.name, version=model.version, stages=stages, images={})
            stages[stage.name] = named | {f"stage:{name}": found.stage_key(name) for name in earlier(stage)}
        images: tuple[Image, ...] = ("train", *servers_of(model.definition.serving.kind))
        return VersionInputs(
            model=model.name,
            version=model.version,
            stages=stages,
            images={image: self._image(image, model) for image in images},
        )

    def orders(self, model: VersionedModel) -> dict[str, dict[str, Any]]:
        """Stage → its `StageOrder` as JSON data: what it is told, with the digests of what no file of a checkout holds.

        Raises:
            InputError: something that the version names is missing or has problems.
        """
        specs = self._specs_of(model)
        found = {stage.name: self._order(stage, model, specs[stage.name]) for stage in _stages(model)}
        found[LAST_STAGE]["inputs"] = self.of(model).model_dump(mode="json")
        return found

    def _order(self, stage: Stage, model: VersionedModel, spec: StageSpec) -> dict[str, Any]:
        component = self.component(stage, model)
        return {
            "spec": spec.model_dump(mode="json"),
            "engine": component.digest,
            "python": self.engine.python,
            "distributions": self._distributions(stage, component),
        }

    def _specs_of(self, model: VersionedModel) -> dict[str, StageSpec]:
        if model.id not in self._specs:
            self._specs[model.id] = stage_specs(self.definitions, model)
        return self._specs[model.id]

    def component(self, stage: Stage, model: VersionedModel) -> Component:
        """The engine's files that a stage of a version imports, by itself or from the version's code."""
        return self.component_of(stage.ways, model)

    def component_of(self, started: Iterable[Stage | Server], model: VersionedModel) -> Component:
        """The engine's files that any of these imports, by itself or from the version's code."""
        modules: set[str] = set()
        for one in started:
            modules |= {*one.modules, *(self._imported(model) if one.reads_code else ())}
        return self.engine.component(modules)

    def image_component(self, image: Image, model: VersionedModel) -> Component:
        """The engine's files in an image of a version."""
        if image == "train":
            return self.component_of([one for one in _stages(model) if one.environment == "training"], model)
        return self.component_of([_servers(model)[image]], model)

    def recipe(self, image: Image, model: VersionedModel) -> ImageRecipe:
        """All that goes into an image of a version.

        Raises:
            InputError: something that the version names is missing or has problems.
        """
        return ImageRecipe(
            key=self.of(model).image_key(image),
            target="train" if image == "train" else "serve",
            model=model.name,
            version=model.version,
            files={path: self.files.ids[path] for path in code_files(self.files, model)},
            lock=_lock(image, model),
            locked=digest_of_bytes(self.files.valid_lock(_lock(image, model)).text),
            engine=self.image_component(image, model).files,
            python=self.engine.python,
            entry_point=None if image == "train" else _servers(model)[image].module,
            base=model.definition.environment.base,
            packages=sorted(model.definition.environment.packages),
        )

    def _inputs(self, stage: Stage, model: VersionedModel, spec: StageSpec) -> dict[str, str]:
        component = self.component(stage, model)
        found = {f"spec:{name}": digest for name, digest in _spec_digests(spec)}
        found |= {"engine": component.digest, "python": self.engine.python}
        found |= {f"distribution:{name}": version for name, version in self._distributions(stage, component).items()}
        found |= self._file_digests(model, stage_files(self.files, stage, model))
        found |= _container_base(model) if stage.environment != "engine" else {}
        if isinstance(spec, TrainingSetSpec):
            found |= {f"data:{data.path}": data.digest for data in spec.data.values()}
        return found

    def _distributions(self, stage: Stage, component: Component) -> dict[str, str]:
        """Libraries whose versions no lock of the version says."""
        return self.engine.with_required(component.distributions) if stage.environment == "engine" else {}

    def _image(self, image: Image, model: VersionedModel) -> dict[str, str]:
        found = self._file_digests(model, [_lock(image, model), *code_files(self.files, model)])
        found |= {"engine": self.image_component(image, model).digest, "python": self.engine.python}
        return found | _container_base(model)

    def _file_digests(self, model: VersionedModel, paths: Iterable[str]) -> dict[str, str]:
        """A lock counts as all that it says: whether it shares some of that makes no difference."""
        found = {f"file:{path}": self.files.ids[path] for path in paths}
        locks = {f"file:{path}": path for path in (f"{model.path}/{lock}" for lock in LOCKS)}
        return found | {name: blob_id(self.files.valid_lock(locks[name]).text) for name in locks.keys() & found.keys()}

    def _imported(self, model: VersionedModel) -> frozenset[str]:
        """Modules of the engine that the version's code imports; all, if only running it would tell."""
        imports = self.imports(model).values()
        if any(one.computes_names or one.runs_text for one in imports):
            return frozenset({WHOLE})
        names = {name for one in imports for name in one.modules}
        return frozenset(name for name in names if name.startswith(f"{_PACKAGE}.") and self.engine.has(name))

    def libraries(self, model: VersionedModel) -> dict[str, str]:
        """Distribution → installed version of what the version's code imports itself; the engine's parts apart."""
        names = {name for one in self.imports(model).values() for name in one.lines}
        return self.engine.distributions(names - {_PACKAGE})

    def imports(self, model: VersionedModel) -> dict[str, Imports]:
        """Path → what it imports, of every file of the version's code that is Python.

        Of one that is none, though it is called so, the stage says it, with the line.
        """
        found = {}
        for path in code_files(self.files, model):
            if path.endswith(".py"):
                with suppress(SyntaxError, ValueError, RecursionError):
                    found[path] = imports_of(self.files.tree.read(path), "model", is_package=False)
        return found


def _spec_digests(spec: StageSpec) -> Iterator[tuple[str, str]]:
    """(field, digest of its value); of a mapping, an entry each."""
    dumped = spec.model_dump(mode="json", exclude={"model", "version", "data"})
    for name, value in dumped.items():
        if isinstance(value, dict) and name in {"sources", "parameters", "packages"}:
            yield from ((f"{name}.{key}", digest_of(item)) for key, item in value.items())
            yield name, digest_of(sorted(value))
        else:
            yield name, digest_of(value)


def _container_base(model: VersionedModel) -> dict[str, str]:
    """What the version brings of its own; what an environment has for all of them is in no key of a version."""
    environment = model.definition.environment
    found = {f"package:{name}": "asked for" for name in environment.packages}
    return found | ({"base": environment.base} if environment.base else {})


def _stages(model: VersionedModel) -> tuple[Stage, ...]:
    return stages_of(model.definition.serving.kind)


def _servers(model: VersionedModel) -> dict[Image, Server]:
    return servers_of(model.definition.serving.kind)


def _lock(image: Image, model: VersionedModel) -> str:
    return f"{model.path}/{LOCK_OF['training' if image == 'train' else _servers(model)[image].environment]}"
