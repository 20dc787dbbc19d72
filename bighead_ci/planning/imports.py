"""What one Python file imports, read from its syntax tree. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_BY_NAME = frozenset({"import_module", "__import__", "run_module", "run_path", "walk_packages", "iter_modules"})
"""Calls that import what a string names."""
_TEXT = frozenset({"exec", "eval"})
"""Functions that run what a string says."""
_STORED = frozenset({"pickle", "joblib", "dill", "cloudpickle", "shelve"})
"""Modules that load objects, and import what those name."""
_PLACES = frozenset({"__file__", "__path__"})
"""Where a module lies."""
_DATA = (["importlib", "resources"], ["pkgutil"])
"""Modules that read files of a package which no import names."""


@dataclass(frozen=True)
class Imports:
    """What a file names in its import statements."""

    modules: frozenset[str]
    """Absolute names; of `from a import b`, both `a` and `a.b`, for `b` may be a module."""
    computes_names: bool
    """It also imports what only running it would tell."""
    finds_files: bool
    """It reads files by the place of a module, which no import names."""
    runs_text: bool = False
    """It may run code that is not its own: what a string holds, or what a stored object names."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Top-level name → the first line that imports something of it."""


def imports_of(source: bytes, module: str, *, is_package: bool) -> Imports:
    """The imports of a file, those inside functions included, those for type checkers only left out.

    Args:
        source: The file's text.
        module: Its absolute name, which relative imports start from.
        is_package: Whether it is an `__init__.py`.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it holds bytes that no Python file may hold.
        RecursionError: it is nested too deep to be read.
    """
    tree = ast.parse(source)
    package = module if is_package else module.rpartition(".")[0]
    found: set[str] = set()
    lines: dict[str, int] = {}
    computes_names = finds_files = runs_text = False
    for node in _walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = _imported(node, package)
            found |= names
            lines |= {top: min(node.lineno, lines.get(top, node.lineno)) for top in {_top(name) for name in names}}
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = node.id if isinstance(node, ast.Name) else node.attr
            computes_names |= name in _BY_NAME
            finds_files |= name in _PLACES
            runs_text |= isinstance(node, ast.Name) and name in _TEXT
    finds_files |= any(name.split(".")[:2] in _DATA for name in found)
    runs_text |= any(name.split(".")[0] in _STORED for name in found)
    return Imports(frozenset(found), computes_names, finds_files, runs_text, lines)


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    origin = _absolute(node, package)
    return {origin, *(f"{origin}.{alias.name}" for alias in node.names)}


def _top(name: str) -> str:
    return name.partition(".")[0]


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below `if TYPE_CHECKING`, which never run."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        skipped = node.body if isinstance(node, ast.If) and _is_type_checking(node.test) else []
        pending += [child for child in ast.iter_child_nodes(node) if child not in skipped]


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base
