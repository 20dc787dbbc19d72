from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.definitions.yaml_reader import parse, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1", 1),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12:30", "12:30"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("2013-10-01", "2013-10-01"),
        ("v1", "v1"),
    ],
)
def test_plain_scalars_follow_the_core_rules(text: str, value: Any) -> None:
    """Only true, false, null and decimal numbers are not text."""
    found = scalar(text)
    assert (type(found), found) == (type(value), value)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_json_is_read_as_json(value: Any) -> None:
    """JSON is YAML: every value reads back equal, and strings stay strings whatever they look like."""
    parsed, problems = parse("x.yaml", json.dumps(value).encode())
    assert problems == []
    assert parsed is not None
    assert parsed.data == value


@given(st.binary(max_size=200))
def test_any_bytes_give_data_or_a_problem(raw: bytes) -> None:
    """Whatever the bytes, reading ends with data or with a problem."""
    parsed, problems = parse("x.yaml", raw)
    assert parsed is not None or problems


@given(st.text("a:-[]{}&*!|>'\"\n #%@`?,", max_size=60))
def test_any_punctuation_gives_data_or_a_problem(text: str) -> None:
    """YAML's own punctuation in any order raises nothing."""
    parsed, problems = parse("x.yaml", text.encode())
    assert parsed is not None or problems


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100 + "]" * 100,
        "a: " + '["]",\n' * 150_000,
        "".join(f"{' ' * depth}a:\n" for depth in range(100)),
        "- " * 5000 + "x",
        "? " * 5000 + "x",
        "{a: " * 5000,
    ],
    ids=["closed", "hidden", "blocks", "items", "keys", "open"],
)
def test_deep_nesting_is_a_problem_and_no_crash(text: str) -> None:
    """The YAML library recurses in C and takes the process with it: depth is bounded before, whatever it is made of."""
    parsed, (problem,) = parse("x.yaml", text.encode())
    assert parsed is None
    assert problem.message == "nested deeper than 60 levels"


def test_brackets_in_text_nest_nothing() -> None:
    """Only what YAML itself takes for a bracket counts."""
    parsed, problems = parse("x.yaml", b"# " + b"{" * 100 + b"\na: '" + b"[" * 100 + b"'\n")
    assert problems == []
    assert parsed is not None
    assert parsed.data == {"a": "[" * 100}


def test_a_number_beyond_all_bounds_is_a_problem() -> None:
    """It would be infinite, which no digest and no threshold can hold."""
    _, (problem,) = parse("x.yaml", b"a: 1\nb: 1e999\n")
    assert str(problem) == "x.yaml:2: b: the number is too large; got 1e999"


def test_lines_are_those_of_the_deepest_part_found() -> None:
    """A location leads to its line; steps that the file does not have are passed over."""
    parsed, _ = parse("x.yaml", b"a:\n  - b: 1\n    c: 2\n  - d\n")
    assert parsed is not None
    assert parsed.line(("a", 0, "c")) == 3
    assert parsed.line(("a", 1)) == 4
    assert parsed.line(("a", "tag", 0, "missing")) == 2
    assert parsed.line(("nothing",)) == 1
