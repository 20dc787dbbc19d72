"""Reads YAML into plain data that remembers its lines.

Scalars follow YAML 1.2: `no` and `on` are text, `1` is a number, `"1"` is text; times stay text until a field asks for
one. Duplicate keys, aliases and tags are problems, not surprises.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from bighead_ci.errors import Problem

LARGEST_FILE = 1_000_000
_DEEPEST = 60
_INDENTED = re.compile(rf"^[ ?:-]{{{_DEEPEST // 2}}}", re.MULTILINE)
"""A column of indentation is two levels at most: a sequence may stand in the column of its mapping."""
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]{1,300}(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_TEXT = "tag:yaml.org,2002:str"
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")}
_TAGS |= {"tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}


@dataclass(frozen=True)
class Parsed:
    """Plain data of one file, and where each part of it stands."""

    file: str
    data: Any
    root: yaml.Node | None

    def line(self, location: Sequence[str | int]) -> int | None:
        """Line of the deepest part of the location that the file has; parts that name no key are passed over."""
        node, line = self.root, _line(self.root)
        for step in location:
            found = _child(node, step)
            if found is not None:
                line, node = found
        return line

    def text_line(self, location: Sequence[str | int]) -> int | None:
        """Line on which the text of a scalar begins: a block scalar's is below its `|`."""
        node: yaml.Node | None = self.root
        for step in location:
            found = _child(node, step)
            node = found[1] if found else None
        line = _line(node)
        return line + 1 if line is not None and getattr(node, "style", None) in {"|", ">"} else line


def parse(file: str, raw: bytes) -> tuple[Parsed | None, list[Problem]]:
    """Parse one file; None when it is not YAML at all. Problems carry lines."""
    if len(raw) > LARGEST_FILE:
        return None, [Problem(file=file, message=f"file is larger than {LARGEST_FILE} bytes", value=str(len(raw)))]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return None, [Problem(file=file, line=line, message="file is not UTF-8 text")]
    try:
        deep = _too_deep(text)
        root = yaml.compose(text, Loader=yaml.CSafeLoader) if deep is None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.context, error.problem) if part)
        return None, [Problem(file=file, line=mark.line + 1 if mark else None, message=f"not YAML: {message}")]
    except yaml.YAMLError as error:
        return None, [Problem(file=file, message=f"not YAML: {error}")]
    if deep is not None:
        return None, [Problem(file=file, line=deep, message=f"nested deeper than {_DEEPEST} levels")]
    builder = _Builder(file)
    data = builder.build(root, ()) if root is not None else None
    return Parsed(file, data, root), builder.problems


def _too_deep(text: str) -> int | None:
    """The line at which nesting goes too deep: the composer recurses in C, without a limit, until the process dies.

    Only a text with so many brackets, or so much indentation, can be that deep; only then are its events counted.
    """
    if text.count("[") + text.count("{") <= _DEEPEST and not _INDENTED.search(text):
        return None
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return int(event.start_mark.line) + 1 if event.start_mark else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


class _Builder:
    """Turns nodes into data, collecting what is wrong on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, path: tuple[str, ...]) -> Any:
        if id(node) in self._seen:
            self._add_problem(node, path, "aliases (*name) are not supported: write the value out")
            return None
        self._seen.add(id(node))
        quoted = isinstance(node, yaml.ScalarNode) and bool(node.style)
        if node.tag not in _TAGS or (quoted and node.tag != _TEXT):
            self._add_problem(node, path, "tags are not supported", node.tag)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, str(index))) for index, item in enumerate(node.value)]
        value = node.value if quoted else scalar(node.value)
        if isinstance(value, float) and math.isinf(value):
            self._add_problem(node, path, "the number is too large", node.value)
            return None
        return value

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        lines: dict[str, int | None] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._add_problem(key, path, "a key must be text")
                continue
            name = str(key.value)
            if name in found:
                self._add_problem(key, (*path, name), f"duplicate key, first given at line {lines[name]}")
            lines.setdefault(name, _line(key))
            found[name] = self.build(value, (*path, name))
        return found

    def _add_problem(self, node: yaml.Node, path: tuple[str, ...], message: str, value: str | None = None) -> None:
        self.problems.append(
            Problem(file=self.file, line=_line(node), subject=".".join(path), message=message, value=value)
        )


def scalar(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core rules."""
    if text.lower() in _WORDS and (text.islower() or text.istitle() or text.isupper() or text in _WORDS):
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return text


def _line(node: yaml.Node | None) -> int | None:
    return None if node is None else int(node.start_mark.line) + 1


def _child(node: yaml.Node | None, step: str | int) -> tuple[int | None, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return _line(key), value
    if isinstance(node, yaml.SequenceNode) and str(step).isdigit() and int(step) < len(node.value):
        return _line(node.value[int(step)]), node.value[int(step)]
    return None
