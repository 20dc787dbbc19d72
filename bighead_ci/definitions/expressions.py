"""Compiles CEL and says which evidence an expression names.

The compiled form is a protobuf `CheckedExpr`. From its syntax tree come the paths an expression reads, and those that
it tests first with `has()` or `?.`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_math, ext_optional, ext_strings

from bighead_ci.definitions.gate_file import ROOTS
from bighead_ci.documents.verdict import written_step
from bighead_ci.wire_format import fields

VARIABLES = "variables"


@dataclass(frozen=True)
class Path:
    """A place in the evidence; a step that is a path itself is looked up first: `metrics[candidate.primary]`."""

    steps: tuple[str | int | Path, ...]

    def __str__(self) -> str:
        parts = [f"[{step}]" if isinstance(step, Path) else written_step(step) for step in self.steps]
        return "".join(parts).removeprefix(".")

    @property
    def variable(self) -> str | None:
        """The variable it begins at; None if it begins at evidence, or names no one variable."""
        named = len(self.steps) > 1 and self.steps[0] == VARIABLES and isinstance(self.steps[1], str)
        return str(self.steps[1]) if named else None


@dataclass(frozen=True)
class Expression:
    """A compiled expression and what it reads."""

    text: str
    program: Any
    """The library's own compiled form."""
    reads: tuple[Path, ...]
    """Every path it names, the longest of each; the paths of computed steps too."""
    tests: frozenset[Path]
    """Paths whose absence it handles itself."""
    path: Path | None
    """The path that the whole expression is, if it is one."""


class ExpressionError(ValueError):
    """An expression does not compile."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line
        """Line within the expression, from 1."""


@cache
def _environment() -> Any:
    anything = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(
        variables=dict.fromkeys((*ROOTS, VARIABLES), anything),
        extensions=[
            ext_optional.ExtOptional(),
            ext_bindings.ExtBindings(),
            ext_math.ExtMath(),
            ext_strings.ExtStrings(),
        ],
    )


@cache
def compile_expression(text: str) -> Expression:
    """Compile one CEL expression.

    Raises:
        ExpressionError: it is not CEL, names an unknown root, or can be nothing but a value that is not true or false
            (variables excepted, see `compile_value`).
    """
    compiled = compile_value(text)
    kind = compiled.program.return_type()
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise ExpressionError(f"must be true or false, but it is {kind.name()}", 1)
    return compiled


@cache
def compile_value(text: str) -> Expression:
    """Compile an expression of any type.

    Raises:
        ExpressionError: it is not CEL or names an unknown root.
    """
    try:
        program = _environment().compile(text)
    except RuntimeError as error:
        raise _compile_error(str(error)) from error
    walk = _Walk()
    path = walk.visit(_tree(program.serialize()), {})
    reads = {path for path in walk.reads if not any(_begins(other, path) for other in walk.reads)}
    return Expression(text, program, tuple(sorted(reads, key=str)), frozenset(walk.tests), path)


def _begins(longer: Path, path: Path) -> bool:
    return longer != path and longer.steps[: len(path.steps)] == path.steps


def _compile_error(text: str) -> ExpressionError:
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (.*)", text)
    if found is None:
        return ExpressionError(text.split("\n", maxsplit=1)[0], 1)
    message = re.sub(r" \(in container ''\)", "", found[3]).split(" expecting {", 1)[0]
    if message.startswith("undeclared reference"):
        message += f"; evidence starts with one of {', '.join(ROOTS)}, or {VARIABLES}"
    return ExpressionError(f"{message} (column {found[2]})", int(found[1]))


class _Walk:
    """Collects paths from a syntax tree. A scope maps a bound name to the path it stands for, or None."""

    def __init__(self) -> None:
        self.reads: set[Path] = set()
        self.tests: set[Path] = set()

    def visit(self, node: dict[int, Any], scope: dict[str, Path | None]) -> Path | None:
        """Note what a node reads, and return the path it stands for if it is one."""
        if _IDENT in node:
            name = _text(node[_IDENT])
            return self._read(scope[name] if name in scope else Path((name,)) if name in (*ROOTS, VARIABLES) else None)
        if _SELECT in node:
            return self._select(_message(node[_SELECT]), scope)
        if _CALL in node:
            return self._call(_fields_of(node[_CALL]), scope)
        for _, item in _fields_of(node.get(_LIST, b"")):
            self._child(item, scope)
        for field, entry in _fields_of(node.get(_STRUCT, b"")):
            parts = _fields_of(entry) if field == _ENTRIES else []
            for part, value in parts:
                if part in _ENTRY_EXPRESSIONS:
                    self._child(value, scope)
        if _LOOP in node:
            self._loop(_message(node[_LOOP]), scope)
        return None

    def _child(self, raw: Any, scope: dict[str, Path | None]) -> Path | None:
        return self.visit(_message(raw), scope)

    def _read(self, path: Path | None) -> Path | None:
        if path is not None:
            self.reads.add(path)
        return path

    def _select(self, select: dict[int, Any], scope: dict[str, Path | None]) -> Path | None:
        path = self._child(select[1], scope)
        if path is None:
            return None
        whole = Path((*path.steps, _text_of(select[2])))
        self._read(whole)
        if select.get(3):  # has(): a truth value, not what stands there
            self.tests.add(whole)
            return None
        return whole

    def _call(self, fields: list[tuple[int, Any]], scope: dict[str, Path | None]) -> Path | None:
        function = next(_text_of(value) for field, value in fields if field == _FUNCTION)
        arguments = [value for field, value in fields if field in _ARGUMENTS]
        paths = [self._child(argument, scope) for argument in arguments]
        optional = function in {"_?._", "_[?_]"}
        if not optional and function not in {"_[_]", "@in"}:
            return None
        if function == "@in":
            paths, arguments = paths[::-1], arguments[::-1]
        step = paths[1] if paths[1] is not None else _constant(_message(arguments[1]))
        if paths[0] is None or step is None:
            return None
        whole = Path((*paths[0].steps, step))
        if optional or function == "@in":
            self.tests.add(whole)
        return self._read(whole) if function != "@in" else None

    def _loop(self, loop: dict[int, Any], scope: dict[str, Path | None]) -> None:
        """A comprehension, or `cel.bind`, whose name stands for what it is bound to."""
        self._child(loop[2], scope)
        bound = self._child(loop[4], scope)
        inner = scope | {_text_of(loop[key]): None for key in (1, 8) if key in loop}
        inner |= {_text_of(loop[3]): bound if _text_of(loop[1]) == "#unused" else None}
        for key in (5, 6, 7):
            if key in loop:
                self._child(loop[key], inner)


# Field numbers of cel.expr.Expr.
_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 3, 4, 5, 6, 7, 8, 9
_ENTRIES = 2
_ENTRY_EXPRESSIONS = (3, 4)
"""A map entry's key and value."""
_FUNCTION, _ARGUMENTS = 2, (1, 3)
"""Of a call; the target of a method is its first argument."""
_INT64, _STRING = 3, 6
"""Of a constant."""
_ANY_VALUE, _CHECKED_EXPR = 2, 4


def _tree(serialized: bytes) -> dict[int, Any]:
    return _message(_message(_message(serialized)[_ANY_VALUE])[_CHECKED_EXPR])


def _text(ident: bytes) -> str:
    return _text_of(_message(ident)[1])


def _text_of(raw: bytes) -> str:
    return raw.decode()


def _constant(node: dict[int, Any]) -> str | int | None:
    if _CONST not in node:
        return None
    constant = _message(node[_CONST])
    if _STRING in constant:
        return _text_of(constant[_STRING])
    return int(constant[_INT64]) if _INT64 in constant else None


def _message(raw: bytes) -> dict[int, Any]:
    return dict(_fields_of(raw))


def _fields_of(raw: bytes) -> list[tuple[int, Any]]:
    return list(fields(raw))
