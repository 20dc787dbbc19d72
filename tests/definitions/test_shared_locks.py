"""Locks that versions share by digest: what they mean, and what is wrong with them."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.lock_file import HEADER, read_pins
from bighead_ci.definitions.shared_locks import lock_naming, read_lock, share, shared_path, shared_text, sharing_lock
from bighead_ci.errors import Problem
from fakes.memory_tree import MemoryTree, repository

FILE = "models/late/v1/training.lock"
MARKERS = ("sys_platform == 'linux'", "sys_platform == 'darwin'", "python_full_version < '3.12'")


def pinned(name: str, version: str = "1.0", marker: str = "", hashes: int = 1) -> str:
    """A pin as uv writes it."""
    lines = [f"{name}=={version}{f' ; {marker}' if marker else ''}"]
    lines += [f"    --hash=sha256:{number:064x}" for number in range(hashes)]
    return " \\\n".join(lines) + "\n"


BASE = pinned("alpha") + pinned("gamma", "2.0")
SHARED = shared_path(BASE.encode())
NAMES_BASE = f"{HEADER}nothing\n-r ../../_locks/{SHARED.rpartition('/')[2]}\n"


@st.composite
def distributions(draw: st.DrawFn) -> list[str]:
    """Pins of distinct distributions; some have a version for each of several platforms."""
    found = []
    for name in draw(st.lists(st.from_regex(r"[a-z][a-z0-9]{0,3}(-[a-z0-9]{1,3})?", fullmatch=True), unique=True)):
        markers = draw(st.just([""]) | st.lists(st.sampled_from(MARKERS), min_size=1, unique=True))
        number = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True)
        versions = draw(st.lists(number, min_size=len(markers), max_size=len(markers), unique_by=Version))
        hashes = st.integers(1, 3)
        found += [pinned(name, *one, draw(hashes)) for one in zip(versions, markers, strict=True)]
    return found


def written(pins: list[str]) -> bytes:
    """A lock as uv writes it."""

    def place(text: str) -> tuple[str, Version]:
        (pin,), _ = read_pins("", text.encode())
        return pin.name, Version(pin.version)

    return f"{HEADER}a b==1\n{''.join(sorted(pins, key=place))}".encode()


def read(files: Mapping[str, bytes]) -> tuple[bytes, set[tuple[str, str, str, str]]]:
    found = read_lock(MemoryTree(files), FILE)
    assert found.problems == ()
    return found.text, {(pin.name, pin.version, pin.marker, pin.text) for pin in found.pins}


@given(distributions(), st.data())
def test_a_lock_that_is_shared_in_part_says_what_the_whole_lock_says(pins: list[str], data: st.DataObject) -> None:
    """The same pins, markers and hashes; and the bytes that uv wrote, so that no key and no environment changes."""
    whole = written(pins)
    in_base = data.draw(st.sets(st.sampled_from(pins)) if pins else st.just(set()))
    order = [pin for pin in read_pins("", whole)[0] if pin.text in in_base]
    base = "".join(pin.text for pin in order).encode()
    kept = sharing_lock(whole, base)
    assert kept is not None
    assert kept.added == len({*pins}) - len(in_base)
    assert read({FILE: kept.text, shared_path(base): base}) == read({FILE: whole})


@given(distributions(), st.randoms(use_true_random=False), st.data())
def test_the_order_of_pins_in_either_file_makes_no_difference(
    pins: list[str], generator: random.Random, data: st.DataObject
) -> None:
    """Whoever wrote them: what both say is in one order."""
    in_base = data.draw(st.sets(st.sampled_from(pins)) if pins else st.just(set()))
    base, own = [pin for pin in pins if pin in in_base], [pin for pin in pins if pin not in in_base]
    generator.shuffle(base)
    generator.shuffle(own)
    shared = "".join(base).encode()
    text = lock_naming(shared).replace(b"nothing", b"a b==1") + "".join(own).encode()
    assert read({FILE: text, shared_path(shared): shared})[1] == read({FILE: written(pins)})[1]


def test_a_lock_lacking_a_pin_of_a_shared_one_cannot_name_it() -> None:
    """Of another version or with other hashes it is another pin."""
    for other in (
        pinned("alpha"),
        pinned("alpha") + pinned("gamma", "2.1"),
        BASE.replace("--hash=sha256:0", "--hash=sha256:1"),
    ):
        assert sharing_lock(other.encode(), BASE.encode()) is None


@pytest.mark.parametrize(
    ("whole", "candidates", "current", "expected"),
    [
        ("agm", ["ag"], None, "ag"),
        ("agm", ["ag", "agm"], "ag", "agm"),
        ("agm", ["ag", "am"], "ag", "ag"),
        ("agm", ["ag", "am"], "am", "am"),
        ("agm", ["ax"], "ax", "agm"),
        ("agm", ["a"], "a", "agm"),
        ("agm", [], None, "agm"),
        ("", ["ag"], None, None),
    ],
)
def test_a_lock_names_the_shared_lock_to_which_it_adds_least(
    whole: str, candidates: list[str], current: str | None, expected: str | None
) -> None:
    """Of equals the one that it names now; with less than half of its pins in any, it becomes a shared one itself."""
    texts = {letters: "".join(map(pinned, letters)).encode() for letters in {whole, *candidates, current or "", "agm"}}
    text = f"{HEADER}nothing\n".encode() + texts[whole]
    own, shared = share(text, [texts[one] for one in candidates], shared_path(texts[current]) if current else None)
    assert shared == (texts[expected] if expected else None)
    assert read({FILE: own, shared_path(shared or b""): shared or b""})[1] == read({FILE: text})[1]


def test_what_is_shared_has_neither_header_nor_comments() -> None:
    """So that what was asked for, or who wrote it, makes no other file of it."""
    assert shared_text(f"{HEADER}torch\n# words\n{BASE}    # via nobody\n".encode()) == BASE.encode()


def problems(files: Mapping[str, str | None], *paths: str) -> list[Problem]:
    """What check says of a repository with these files; of some paths, or of everything."""
    return check_tree(MemoryTree(repository(**files)), paths or None)


def test_a_shared_lock_and_what_is_added_have_no_problems() -> None:
    """In both locks of a version, or in one; a lock that holds all of its pins itself stays valid."""
    for own in ("", pinned("beta"), pinned("zeta", "1.0", MARKERS[0]) + pinned("zeta", "2.0", MARKERS[1])):
        assert problems({FILE: NAMES_BASE + own, SHARED: BASE}) == []
    assert problems({FILE: HEADER + "nothing\n" + BASE}) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--requirement ../../_locks/x.lock", "an option"),
        ("-r ../../_locks/" + "A" * 64 + ".lock", "an option"),
        ("-r /_locks/" + "a" * 64 + ".lock", "an option"),
        ("-r ../../../models/_locks/" + "a" * 64 + ".lock", "an option"),
        (f"-r ../../_locks/{'a' * 64}.lock --hash=sha256:{'0' * 64}", "an option"),
        ("-c ../../_locks/" + "a" * 64 + ".lock", "an option"),
        (f"-r ../../_locks/{'a' * 64}.lock", "a lock names one shared lock at most"),
        (f"gamma==2.1 --hash=sha256:{'0' * 64}", f"is pinned to 2.0 by {SHARED}:3 too"),
        (f"gamma==2.1 ; sys_platform == 'x' --hash=sha256:{'0' * 64}", f"is pinned to 2.0 by {SHARED}:3 too"),
        (f"beta==1 --hash=sha256:{'0' * 64}\nbeta==2 --hash=sha256:{'0' * 64}", f"is pinned to 1 by {FILE}:3 too"),
    ],
)
def test_what_a_lock_may_not_hold_beside_a_shared_one_is_told_with_its_line(line: str, words: str) -> None:
    """Another form of naming one, a second one, and a distribution that the shared one has at another version."""
    (problem,) = problems({FILE: f"{NAMES_BASE}{line}\n", SHARED: BASE})
    assert (problem.file, problem.line) == (FILE, 3 + line.count("\n"))
    assert words in problem.message
    assert problem.value


def test_a_shared_lock_that_is_not_there_is_told_where_it_is_named() -> None:
    """With both ways out; when it is taken away, versions that nobody edited are told too."""
    for paths in ((), (FILE,), (SHARED,)):
        (problem,) = problems({FILE: NAMES_BASE}, *paths)
        assert (problem.file, problem.line) == (FILE, 2)
        assert f"git log --all -- {SHARED}" in problem.message
        assert "bighead lock models/late/v1" in problem.message


def test_a_shared_lock_that_was_edited_is_told() -> None:
    """Its name is the digest of what it holds, whoever looks at it: the file, or the version that names it."""
    for paths in ((), (FILE,), (SHARED,)):
        (problem,) = problems({FILE: NAMES_BASE, SHARED: BASE + "# one word\n"}, *paths)
        assert (problem.file, problem.line) == (SHARED, None)
        assert "its name is not the SHA-256 of what it holds" in problem.message


@pytest.mark.parametrize("text", ["-r other.lock\n", "onnx>=1\n", f"-r {SHARED.rpartition('/')[2]}\n"])
def test_a_shared_lock_holds_pins_and_nothing_else(text: str) -> None:
    """Above all, it names no other."""
    path = shared_path((BASE + text).encode())
    named = NAMES_BASE.replace(SHARED.rpartition("/")[2], path.rpartition("/")[2])
    (problem,) = problems({FILE: named, path: BASE + text})
    assert (problem.file, problem.line) == (path, 5)


def test_a_shared_lock_of_no_version_is_told() -> None:
    """When the last that named it names another, or is gone, and in a check of everything."""
    message = f"no model version shares this lock: git rm {SHARED}"
    gone = {path: None for path in repository() if path.startswith("models/late/v1/")}
    for files, paths in (({}, ()), ({}, (SHARED,)), ({}, (FILE,)), (gone, (FILE,))):
        assert [(one.file, one.message) for one in problems({**files, SHARED: BASE}, *paths)] == [(SHARED, message)]
    assert problems({SHARED: BASE}, "policies/whole.yaml") == []


def test_nothing_else_is_beside_shared_locks() -> None:
    """But what git and people need there."""
    (problem,) = problems({"models/_locks/words.txt": "words\n"})
    assert (problem.file, problem.allowed) == ("models/_locks/words.txt", "models/_locks/<sha256>.lock")
    assert problems({"models/_locks/README.md": "words\n", "models/_locks/.gitattributes": "* -text\n"}) == []


def test_a_pin_that_goes_on_where_the_file_ends_is_no_pin() -> None:
    """It would swallow what is put after it."""
    (problem,) = problems({FILE: NAMES_BASE + pinned("beta").rstrip() + " \\\n", SHARED: BASE})
    assert (problem.file, problem.line) == (FILE, 3)
