"""Modules beside a model.py: found while the version's code runs, gone from the process when it does not.

The directory stands in `sys.path` rather than in a finder of ours, because worker processes (joblib's) are told the
path and nothing else.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from bighead_ci.errors import InputError, Problem

MODEL = "model"
"""What the version's model.py is called among modules; `model.py` by that name, too, is no library."""


class Neighbours:
    """The importable files of one version's directory.

    Args:
        directory: Where they are.
        folder: How messages call it: `models/flight_delay/v2`.

    Raises:
        InputError: a neighbour has the name of a library, of which only one can be imported.
    """

    def __init__(self, directory: Path, folder: str) -> None:
        self.directory = directory.resolve()
        self.folder = folder
        self._own: dict[str, ModuleType] = {}
        self._depth = 0
        problems = [
            Problem(
                file=f"{folder}/{file}",
                message=f"has the name of a library ({origin}), which hides it: give it another name",
                value=name,
            )
            for name, file in sorted(_importable(self.directory).items())
            if name != MODEL and (origin := _library(name, self.directory))
        ]
        if problems:
            raise InputError(problems)

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Let imports find the neighbours; afterwards other versions' code in this process finds its own.

        May be entered again inside. The import system is the process's: only one version's code runs at a time.
        """
        self._depth += 1
        if self._depth > 1:
            try:
                yield
            finally:
                self._depth -= 1
            return
        hidden = {name: sys.modules.pop(name) for name in self._own if name in sys.modules}
        before = set(sys.modules)
        sys.modules |= self._own
        sys.path.insert(0, str(self.directory))
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing appears beside authored files
        importlib.invalidate_caches()
        try:
            yield
        finally:
            self._depth -= 1
            sys.dont_write_bytecode = writes
            sys.path.remove(str(self.directory))
            new = {name: sys.modules[name] for name in sys.modules.keys() - before}
            self._own = {name: module for name, module in new.items() if self._is_own(module)}
            for name in self._own:
                del sys.modules[name]
            sys.modules |= hidden

    def shown(self, file: str) -> str | None:
        """How messages call a file of the directory; None for any other."""
        path = Path(file)
        return f"{self.folder}/{path.relative_to(self.directory)}" if path.is_relative_to(self.directory) else None

    def _is_own(self, module: ModuleType) -> bool:
        known = vars(module)  # some modules answer to every name that they are asked for
        places = [known.get("__file__"), *(known.get("__path__") or ())]
        return any(self.shown(place) for place in places if isinstance(place, str) and place)


def _importable(directory: Path) -> dict[str, str]:
    """Module → file or directory beside model.py that would be imported by that name."""
    files = {path.stem: path.name for path in directory.glob("*.py")}
    packages = {path.parent.name: f"{path.parent.name}/" for path in directory.glob("*/*.py")}
    return {name: file for name, file in (packages | files).items() if name.isidentifier()}


def _library(name: str, directory: Path) -> str | None:
    """Where Python would find a module of that name elsewhere than in the version's directory."""
    if name in sys.stdlib_module_names:
        return "of Python itself"
    found = PathFinder.find_spec(name)
    if found is None:
        return None
    # Any directory in the path is a namespace package, the root of an engine in development among them.
    installed = [place for place in found.submodule_search_locations or () if "-packages" in place]
    places = [Path(place) for place in filter(None, [found.origin, *installed])]
    if not places or places[0].resolve().is_relative_to(directory):
        return None
    return "/".join(places[0].parts[-2:])
