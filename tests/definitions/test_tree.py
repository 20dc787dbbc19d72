from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bighead_ci.definitions.tree import DirectoryTree, OverlaidTree


@pytest.fixture
def tree(tmp_path: Path) -> DirectoryTree:
    for path, text in {
        "models/a/v1/model.yaml": "x: 1\n",
        "b.txt": "needle",
        ".git/config": "needle",
        "models/out/o": "needle",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return DirectoryTree(tmp_path)


def test_a_directory_lists_what_is_authored(tree: DirectoryTree) -> None:
    """Caches, git's own files and stage outputs are no part of the tree."""
    assert sorted(tree.files()) == ["b.txt", "models/a/v1/model.yaml"]


def test_ids_are_those_of_git(tree: DirectoryTree) -> None:
    """A work tree and a commit with the same content give the same ids, hence the same content keys."""
    said = subprocess.run(["git", "hash-object", str(tree.path / "b.txt")], capture_output=True, text=True, check=True)
    assert tree.files()["b.txt"] == said.stdout.strip()


def test_reading_what_is_not_there_is_a_key_error(tree: DirectoryTree) -> None:
    """Missing files and directories are KeyErrors."""
    for path in ("none", "models", "b.txt/below"):
        with pytest.raises(KeyError):
            tree.read(path)


def test_text_is_found_below_the_prefixes_only(tree: DirectoryTree) -> None:
    """The search keeps to its prefixes."""
    assert tree.containing("needle", [""]) == ["b.txt"]
    assert tree.containing("needle", ["models/"]) == []


def test_files_on_top_hide_those_below(tree: DirectoryTree) -> None:
    """An overlay reads, lists and searches as if its files were written."""
    overlaid = OverlaidTree(tree, {"b.txt": b"other", "c.txt": b"needle"})
    assert overlaid.read("b.txt") == b"other"
    assert overlaid.containing("needle", [""]) == ["c.txt"]
    assert overlaid.files()["b.txt"] != tree.files()["b.txt"]
    assert overlaid.read("models/a/v1/model.yaml") == b"x: 1\n"
