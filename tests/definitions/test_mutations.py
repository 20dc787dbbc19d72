"""Whatever somebody does to the repository's own files, reading, checking and planning end in an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.loading import load_gates
from bighead_ci.definitions.tree import DirectoryTree, OverlaidTree
from bighead_ci.errors import InputError
from bighead_ci.planning.change import plan_change
from bighead_ci.policy.cel import evaluate
from bighead_ci.ports.tree import Tree
from fakes.engine import MemoryEngine
from fakes.memory_tree import MemoryTree

ROOT = Path(__file__).parents[2]
AUTHORED = ("models/", "features/", "policies/", "environments/")
JUNK = (
    "null", "~", "[]", "{}", "-1", "0", "1e999", "9" * 400, "true", "no", '""', "x", "[x]", "{a: b}", "*x", "&x 1",
    "!!int 3", "!!python/object:os.system x", "\x00", "\ufeff", "|\n  x", "<<: {a: 1}", "? [a]\n: b", "2013-01-01",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "😀", '"\\ud800"', "[" * 99, "{" * 99, "v1/v1", "a/b/c",
    "99999d", ".inf", ".nan", "a" * 5000, "\t", "\r\n", "---\n", "...\n", "%YAML 1.1", "'", '"', "NaN", "../..",
    "candidate", "1 + 1", "candidate[", 'running["x"]', "candidate.?x.orValue(true)", "!" * 3000 + "true",
    "true && " * 200 + "true", "(" * 300, "optional.none()", 'timestamp("x")', 'b"x"',
)  # fmt: skip
BAD_PLACES = (
    "models/Bad Name/v1/model.yaml",
    "models/x/vv/model.yaml",
    "policies/Bad-Name.yaml",
    "features/sources/X-y.yaml",
    "features/Bad/v1/feature_set.yaml",
    "environments/PROD/environment.yaml",
    "environments/prod/Bad-x.yaml",
    "environments/nowhere/flight_delay.yaml",
)


def repository() -> dict[str, bytes]:
    tree = DirectoryTree(ROOT)
    paths = [path for path in tree.files() if path.startswith(AUTHORED) or path == "dvc.lock"]
    return {path: tree.read(path) for path in paths if not path.endswith(".parquet")}


FILES = repository()
EDITABLE = sorted(path for path in FILES if path.endswith((".yaml", ".json")) or path == "dvc.lock")
BASE = OverlaidTree(MemoryTree({}), FILES)

Edit = Callable[[bytes], bytes]


def cut(at: float) -> Edit:
    return lambda data: data[: int(at * len(data))]


def insert(at: float, junk: str) -> Edit:
    return lambda data: (
        data[: int(at * len(data))] + junk.encode("utf-8", "surrogatepass") + data[int(at * len(data)) :]
    )


def flip(at: float, byte: int) -> Edit:
    return lambda data: data[: int(at * len(data))] + bytes([byte]) + data[int(at * len(data)) + 1 :]


def drop_line(at: float) -> Edit:
    def edit(data: bytes) -> bytes:
        lines = data.split(b"\n")
        del lines[min(len(lines) - 1, int(at * len(lines)))]
        return b"\n".join(lines)

    return edit


def replace_word(at: float, junk: str) -> Edit:
    def edit(data: bytes) -> bytes:
        words = list(re.finditer(rb"[^\s:,\[\]{}]+", data))
        word = words[int(at * len(words))]
        return data[: word.start()] + junk.encode() + data[word.end() :]

    return edit


places = st.floats(0, 0.999)
junk = st.sampled_from(JUNK)
edits = st.one_of(
    st.builds(cut, places),
    st.builds(insert, places, junk),
    st.builds(flip, places, st.integers(0, 255)),
    st.builds(drop_line, places),
    st.builds(replace_word, places, junk),
    st.builds(replace_word, places, junk),
)


def survives(head: Tree, changed: list[str]) -> None:
    """Everything that reads a tree gives an answer or an input error."""
    for problem in check_tree(head, changed):
        assert str(problem).encode("utf-8", "surrogatepass")
    for before, after in ((BASE, head), (head, BASE)):
        with suppress(InputError):
            plan_change(before, after, "a" * 40, "b" * 40, MemoryEngine())
    with suppress(InputError):
        for gate in load_gates(head):
            for occasion in gate.on:
                evaluate([gate], occasion, {})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(EDITABLE), edits)
@example("models/digit_reader/v1/golden_rows.json", replace_word(0.375, '"\\ud800"'))
def test_an_edited_file_gives_an_answer(path: str, edit: Edit) -> None:
    """Any edit of any file: problems or none, never a traceback."""
    survives(OverlaidTree(BASE, {path: edit(FILES[path])}), [path])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(BAD_PLACES), st.sampled_from(EDITABLE))
def test_a_file_in_a_place_that_cannot_be_gives_an_answer(place: str, copied: str) -> None:
    """Names that no document can hold, with any of the repository's contents under them."""
    survives(OverlaidTree(BASE, {place: FILES[copied]}), [place])
