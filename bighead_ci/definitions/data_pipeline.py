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
SANDBOX_OPTIONS = "{network: true, variables: [NAME]}"
"""How a stage asks for more than its files, in `meta.sandbox`."""
WRONG_SANDBOX_OPTIONS = "is not written as it must be"
OUTSIDE = "stages of the repository read and leave files of the repository only"
_TEMPLATE = re.compile(r"\$\{[^}]*\}")
"""What DVC replaces by something else, for instance by each item of a `foreach`."""


class DataPipeline:
    """The stages that make data, of one tree. What is not as DVC writes it is passed over: DVC says what it refuses."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @cached_property
    def _read(self) -> tuple[Any, yaml.Node | None, list[Problem]]:
        """Its data, the same with positions, and why it cannot be read."""
        try:
            loader = yaml.SafeLoader(self._tree.read(PIPELINE))
            node = loader.get_single_node()
            return None if node is None else loader.construct_document(node), node, []
        except KeyError:
            return None, None, []
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else None
            message = f"is no YAML: {' '.join(str(error).split())}"
            return None, None, [Problem(file=PIPELINE, line=line, message=message)]

    @property
    def unreadable(self) -> list[Problem]:
        """Why it cannot be read."""
        return self._read[2]

    def problems(self) -> list[Problem]:
        """What the checks would refuse of it before DVC runs a stage."""
        return [*self.unreadable, *(found for name, stage in self._stages() for found in self._refused(name, stage))]

    def _refused(self, name: str, stage: dict[str, Any]) -> Iterator[Problem]:
        meta = stage.get("meta")
        if isinstance(meta, dict) and sandbox_options(meta.get("sandbox", {})) is None:
            yield self._problem((name, "meta", "sandbox"), WRONG_SANDBOX_OPTIONS, str(meta["sandbox"]), SANDBOX_OPTIONS)
        for field in ("deps", "outs"):
            named = [*_names(stage.get(field))]
            # DVC may watch an address; what a stage leaves is a file of the repository.
            remote = [path for path in named if "://" in path]
            local = _below(stage, (path for path in named if path not in remote))
            outside = [path for path in local if path.startswith(("/", "../")) or path == ".."]
            for path in outside + (remote if field == "outs" else []):
                yield self._problem((name, field), OUTSIDE, path)

    def _problem(self, steps: tuple[str, ...], message: str, value: str, allowed: str | None = None) -> Problem:
        subject, line = ".".join(("stages", *steps)), _line(self._read[1], ("stages", *steps))
        return Problem(file=PIPELINE, line=line, subject=subject, message=message, value=value, allowed=allowed)

    @cached_property
    def outs(self) -> list[str]:
        """What its stages leave, relative to the repository; `${…}` stands as it is written."""
        return sorted({path for _, stage in self._stages() for path in _below(stage, _names(stage.get("outs")))})

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
        return frozenset(found | {path for _, stage in self._stages() for path in _below(stage, _texts(stage))})

    def _stages(self) -> Iterator[tuple[str, dict[str, Any]]]:
        whole = self._read[0]
        stages = whole.get("stages") if isinstance(whole, dict) else None
        for name, stage in stages.items() if isinstance(stages, dict) else ():
            body = stage.get("do", stage) if isinstance(stage, dict) else None
            if isinstance(body, dict):
                yield str(name), body


def sandbox_options(asked: Any) -> tuple[bool, list[str]] | None:
    """The network and the variables that `meta.sandbox` of a stage asks for; None where it is not as it must be."""
    if not isinstance(asked, dict) or not asked.keys() <= {"network", "variables"}:
        return None
    network, names = asked.get("network", False), asked.get("variables", [])
    is_right = isinstance(network, bool) and isinstance(names, list) and all(isinstance(one, str) for one in names)
    return (network, names) if is_right else None


def _line(node: yaml.Node | None, steps: Iterable[str]) -> int | None:
    """Of the innermost step that is there."""
    line = None
    for step in steps:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next((pair for pair in pairs if pair[0].value == step), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


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
