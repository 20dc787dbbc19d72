"""What a Python file imports, by its syntax tree."""

from __future__ import annotations

import pytest

from bighead_ci.planning.imports import imports_of


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import numpy as np", {"numpy"}),
        ("import a.b, c", {"a.b", "c"}),
        ("from a.b import c, d", {"a.b", "a.b.c", "a.b.d"}),
        ("from . import near", {"top.package", "top.package.near"}),
        ("from .near import x", {"top.package.near", "top.package.near.x"}),
        ("from ..other import x", {"top.other", "top.other.x"}),
        ("def f():\n    import late", {"late"}),
        ("try:\n    import perhaps\nexcept ImportError:\n    import instead", {"perhaps", "instead"}),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import never\nelse:\n    import always",
            {"typing", "typing.TYPE_CHECKING", "always"},
        ),
        ("import typing\nif typing.TYPE_CHECKING:\n    import never", {"typing"}),
    ],
)  # fmt: skip
def test_import_statements_are_found_wherever_they_run(source: str, modules: set[str]) -> None:
    """At the top, in functions, in branches; not those that only type checkers see."""
    assert imports_of(source.encode(), "top.package.module", is_package=False).modules == modules


@pytest.mark.parametrize(
    ("source", "computes_names", "finds_files"),
    [
        ("import importlib\nimportlib.import_module(name)", True, False),
        ("from importlib import import_module", False, False),
        ("from importlib import import_module\nimport_module(name)", True, False),
        ("__import__(name)", True, False),
        ("from pathlib import Path\nPath(__file__)", False, True),
        ("import package\npackage.__file__", False, True),
        ("module.__file__ = 'x'", False, False),
        ("from importlib import resources", False, True),
        ("import pkgutil", False, True),
        ("from importlib import metadata, util", False, False),
    ],
)
def test_what_only_running_it_would_tell_is_noticed(source: str, computes_names: bool, finds_files: bool) -> None:
    """Names that are computed, and files that are found by the place of a module."""
    found = imports_of(source.encode(), "module", is_package=False)
    assert (found.computes_names, found.finds_files) == (computes_names, finds_files)


def test_a_package_starts_relative_imports_from_itself() -> None:
    """`from . import x` in `a/__init__.py` is `a.x`."""
    assert imports_of(b"from . import x", "a", is_package=True).modules == {"a", "a.x"}


@pytest.mark.parametrize(
    ("source", "runs_text"),
    [
        ("exec(text)", True),
        ("eval('1')", True),
        ("frame.eval('a + b')", False),
        ("import pickle", True),
        ("from joblib import load", True),
        ("import json", False),
    ],
)
def test_code_that_is_not_the_files_own_is_noticed(source: str, runs_text: bool) -> None:
    """What a string holds, and what a stored object names; not a method that is called like a builtin."""
    assert imports_of(source.encode(), "module", is_package=False).runs_text == runs_text
