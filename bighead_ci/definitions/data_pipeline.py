"""The root `dvc.yaml`, as far as one need not be DVC to read it: which files its stages leave, and which it names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import yaml

from bighead_ci.errors import Problem
from bighead_ci.ports.tree import Tree

PIPELINE = "dvc.yaml"
"""At the root: the stages that make the data of sources."""
_TEMPLATE = re.compile(r"\$\{[^}]*\}")
"""What DVC replaces by something else, for instance by each item of a `foreach`."""


class DataPipeline:
    """The stages that make data, of one tree. What is not as DVC writes it is passed over: DVC says what it refuses."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @cached_property
    def _read(self) -> tuple[Any, list[Problem]]:
        try:
            return yaml.safe_load(self._tree.read(PIPELINE)), []
        except KeyError:
            return None, []
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else None
            return None, [Problem(file=PIPELINE, line=line, message=f"is no YAML: {' '.join(str(error).split())}")]

    @property
    def problems(self) -> list[Problem]:
        """Why it cannot be read."""
        return self._read[1]

    @cached_property
    def outs(self) -> list[str]:
        """What its stages leave, relative to the repository; `${…}` stands as it is written."""
        return sorted({path for stage in self._stages() for path in _below(stage, _names(stage.get("outs")))})

    def leaves(self, path: str) -> bool:
        """Whether a stage leaves this very file."""
        return any(_stands_for(out, path) for out in self.outs)

    def names(self, path: str) -> bool:
        """Whether a file, or a directory that it lies in, stands somewhere in it."""
        parts = path.split("/")
        above = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        return any(_stands_for(named, one) for named in self._named for one in above)

    @cached_property
    def _named(self) -> frozenset[str]:
        found = {posixpath.normpath(text) for text in _texts(self._read[0])}
        return frozenset(found | {path for stage in self._stages() for path in _below(stage, _texts(stage))})

    def _stages(self) -> Iterator[dict[str, Any]]:
        whole = self._read[0]
        stages = whole.get("stages") if isinstance(whole, dict) else None
        for stage in stages.values() if isinstance(stages, dict) else ():
            body = stage.get("do", stage) if isinstance(stage, dict) else None
            if isinstance(body, dict):
                yield body


def _below(stage: dict[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Paths of a stage, which are relative to where it works."""
    directory = stage.get("wdir")
    for name in names:
        yield posixpath.normpath(posixpath.join(directory if isinstance(directory, str) else "", name))


def _names(listed: Any) -> Iterator[str]:
    """Of a list of paths, of which one with settings is a mapping of its own."""
    for item in listed if isinstance(listed, list) else ():
        yield from item if isinstance(item, dict) else [item] if isinstance(item, str) else ()


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)


def _stands_for(written: str, path: str) -> bool:
    if "${" not in written:
        return written == path
    return re.fullmatch(".+".join(map(re.escape, _TEMPLATE.split(written))), path) is not None
