"""From `--set trees=100,200` to the parameters of each experiment, and to the files that run with them. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from bighead_ci.definitions.files import Files, Place, Read
from bighead_ci.definitions.shared_locks import is_in_directory
from bighead_ci.definitions.tree import OverlaidTree
from bighead_ci.definitions.yaml_reader import parse
from bighead_ci.documents.base import canonical_json
from bighead_ci.errors import BugError, InputError, Problem
from bighead_ci.ports.tree import Tree

MOST = 64
"""Experiments of one command: whoever wants more wants a search, not a grid."""
_FIELD = "parameters"
_OPTION = "--set"
_OTHERS = frozenset({"models", "environments", "policies"})
_FORM = "name=value, or name=value,value"


@dataclass(frozen=True)
class Parameters:
    """The parameters of a version as its model.yaml has them."""

    file: str
    text: str
    read: Read
    values: Mapping[str, Any]
    """Parameter → value; one inside another is `optimizer.rate`, beside the whole `optimizer`."""

    @classmethod
    def of(cls, tree: Tree, name: str, version: str) -> Parameters:
        """Read them.

        Raises:
            InputError: the version is not there, or its model.yaml has problems.
        """
        place = Place("model", name, version)
        read = Files(tree).read(place)
        if read is None:
            raise InputError([Problem(file=place.file, message="there is no such file")])
        if read.problems or read.parsed is None:
            raise InputError(read.problems)
        values = dict(_flat("", read.parsed.data.get(_FIELD) or {}))
        return cls(place.file, tree.read(place.file).decode(), read, values)

    def experiments(self, settings: Sequence[str]) -> list[dict[str, Any]]:
        """What each experiment replaces: every combination of the values once, but for the version as it is written.

        Args:
            settings: `trees=200`, or `trees=100,200` for one experiment each; values are YAML.

        Raises:
            InputError: a setting names no parameter, is no YAML, is of another kind than model.yaml's value, or there
                are too many combinations; says all that is wrong.
        """
        problems: list[Problem] = []
        grid: dict[str, list[Any]] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            found = [*self._problems(setting, grid)]
            problems += found
            if not found:
                grid[name] = _values(text)
        if problems:
            raise InputError(problems)
        count = math.prod(map(len, grid.values()))
        if count > MOST:
            raise InputError(f"{_OPTION}: {count:,} combinations of values; allowed: at most {MOST}")
        chosen = (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
        changed = [{name: value for name, value in one.items() if self._differs(name, value)} for one in chosen]
        return list({canonical_json(one): one for one in changed if one}.values())

    def replaced(self, tree: Tree, overrides: Mapping[str, Any]) -> Tree:
        """The same files with these values in model.yaml, whose other lines stay where they are.

        Raises:
            BugError: its text could not be changed.
        """
        text = self.text
        spans = [(*self._span(name), value) for name, value in overrides.items()]
        for start, end, value in sorted(spans, key=lambda span: -span[0]):
            lines = "\n" * text[start:end].count("\n")
            text = f"{text[:start]}: {flow(value)}{lines}{text[end:]}"
        again, problems = parse(self.file, text.encode())
        found = dict(_flat("", again.data.get(_FIELD) or {})) if again and not problems else {}
        if any(name not in found or _differ(found[name], value) for name, value in overrides.items()):
            raise BugError(f"{self.file}: {described(overrides)} could not be put into its text")
        return OverlaidTree(tree, {self.file: text.encode()})

    def _differs(self, name: str, value: Any) -> bool:
        return _differ(self.values[name], value)

    def _problems(self, setting: str, given: Mapping[str, Any]) -> Iterator[Problem]:
        """What is wrong with one setting, after those that are given."""
        name, equals, text = setting.partition("=")
        overlaps = [one for one in given if f"{one}.".startswith(f"{name}.") or f"{name}.".startswith(f"{one}.")]
        if not equals:
            yield Problem(file=_OPTION, message="sets nothing", value=setting, allowed=_FORM)
        elif name not in self.values:
            message = f"there is no such parameter to {_OPTION}"
            yield self.read.problem(self.file, (_FIELD,), message, name, self.values, wanted=self._wanted())
        elif overlaps:
            message = f"{overlaps[0]} is set before: give all its values at once"
            yield Problem(file=_OPTION, message=message, value=setting, allowed=_FORM)
        elif not (values := _values(text)):
            message = "the value is not written as YAML on one line"
            yield Problem(file=_OPTION, message=message, value=setting, allowed=_FORM)
        else:
            yield from self._unlike(name, values)

    def _wanted(self) -> str:
        return ", ".join(sorted(self.values)) or "none: it has no parameters"

    def _unlike(self, name: str, values: Sequence[Any]) -> Iterator[Problem]:
        written = self.values[name]
        for value in values:
            if None not in {_kind(value), _kind(written)} and _kind(value) != _kind(written):
                message = f"is {_kind(written)} here, {flow(written)}; {_OPTION} gives {_kind(value)}"
                yield self.read.problem(self.file, (_FIELD, *name.split(".")), message, flow(value))

    def _span(self, name: str) -> tuple[int, int]:
        """Where in the text `: value` of a parameter stands."""
        found = _pair(self.read.parsed.root if self.read.parsed else None, [_FIELD, *name.split(".")])
        if found is None:
            raise BugError(f"{self.file} has no {_FIELD}.{name}")
        key, value = found
        start, end = key.end_mark.index, value.end_mark.index
        return start, start + len(self.text[start:end].rstrip())


def is_read(path: str, directory: str) -> bool:
    """Whether a file of a repository may be read by a run of one version: other versions and releases are not."""
    folder = path.partition("/")[0]
    return path.startswith(f"{directory}/") or is_in_directory(path) or folder not in _OTHERS


def flow(value: Any) -> str:
    """A value on one line of YAML."""
    return json.dumps(value, ensure_ascii=False)


def described(overrides: Mapping[str, Any]) -> str:
    """`trees=200, learning_rate=0.05`; empty where nothing is replaced."""
    return ", ".join(f"{name}={flow(value)}" for name, value in overrides.items())


def lines_to_adopt(overrides: Mapping[str, Any]) -> str:
    """What to write into a model.yaml that is to have these values."""
    nested: dict[str, Any] = {}
    for name, value in overrides.items():
        *outer, last = name.split(".")
        inner = nested
        for step in outer:
            inner = inner.setdefault(step, {})
        inner[last] = value
    text: str = yaml.safe_dump({_FIELD: nested}, sort_keys=False, allow_unicode=True, width=1000)
    return text.rstrip()


def _pair(node: yaml.Node | None, steps: Sequence[str]) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value that steps through mappings lead to."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == steps[0]:
            return (key, value) if len(steps) == 1 else _pair(value, steps[1:])
    return None


def _values(text: str) -> list[Any]:
    """What the text of a setting says, as YAML in brackets: commas separate values, `[64, 32]` is one."""
    parsed, problems = parse(_OPTION, f"[{text}\n]".encode())
    return parsed.data if parsed is not None and not problems and isinstance(parsed.data, list) else []


def _differ(one: Any, other: Any) -> bool:
    return canonical_json(one) != canonical_json(other)


def _kind(value: Any) -> str | None:
    """What a value is, for people; None: nothing, which may stand for anything."""
    if isinstance(value, bool):
        return "true or false"
    kinds: dict[str, Any] = {"a number": (int, float), "text": str, "a list": list, "a mapping": dict}
    return next((kind for kind, types in kinds.items() if isinstance(value, types)), None)


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        yield f"{prefix}{name}", value
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
