"""What every tree of files does: a commit's, a directory's, one with files put on top, and the double in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bighead_ci.definitions.tree import DirectoryTree, FixedTree, OverlaidTree
from bighead_ci.git.process import Git
from bighead_ci.git.tree import GitTree
from bighead_ci.ports.tree import Tree
from fakes.memory_tree import MemoryTree
from fakes.repositories import begin_repository, git

CONTENT = {
    "b.txt": b"needle",
    "models/a/v1/model.yaml": b"x: 1\n",
    "models/a/v1/words.bin": b"\xff\0 two\nlines",
    "models/a/v10/model.yaml": b"x: needle\n",
    "models/a[b]/*.txt": b"needle",
}
LINKS = {"link": "b.txt", "models/nowhere": "needle/../none"}


def directory_of(root: Path, content: Mapping[str, bytes], links: Mapping[str, str]) -> DirectoryTree:
    for path, data in content.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    for path, target in links.items():
        (root / path).symlink_to(target)
    return DirectoryTree(root)


def in_git(root: Path) -> Tree:
    begin_repository(root / "r", bare=False)
    directory_of(root / "r", CONTENT, LINKS)
    git(root / "r", "add", "--all")
    git(root / "r", "commit", "--quiet", "--message", "all")
    return GitTree(Git(root / "r"), "HEAD")


def in_memory(_: Path) -> Tree:
    return MemoryTree({**CONTENT, **{path: target.encode() for path, target in LINKS.items()}}, LINKS)


def in_a_directory(root: Path) -> Tree:
    return directory_of(root / "d", CONTENT, LINKS)


def overlaid(root: Path) -> Tree:
    """Half lies below, with other content for a file on top, a link where that is a file, and a file taken away."""
    top: dict[str, bytes | None] = {path: CONTENT[path] for path in ("b.txt", "models/a/v1/words.bin")}
    below = {path: data for path, data in CONTENT.items() if path not in top} | {"b.txt": b"old"}
    top["gone.txt"], below["gone.txt"] = None, b"needle"
    return OverlaidTree(directory_of(root / "d", below, {**LINKS, "models/a/v1/words.bin": "needle"}), top)


def fixed(root: Path) -> Tree:
    """Of a directory that somebody edits afterwards, without a file that nobody wanted."""
    directory = directory_of(root / "d", {**CONTENT, "unwanted/b.txt": b"needle"}, LINKS)
    tree = FixedTree(directory, lambda path: not path.startswith("unwanted/"))
    (root / "d" / "b.txt").write_bytes(b"edited")
    (root / "d" / "models/a/v1/model.yaml").unlink()
    return tree


MAKERS: dict[str, Callable[[Path], Tree]] = {
    "git": in_git,
    "memory": in_memory,
    "directory": in_a_directory,
    "fixed": fixed,
    "overlaid": overlaid,
}


@pytest.fixture(params=sorted(MAKERS))
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return MAKERS[request.param](tmp_path)


def test_all_files_are_listed_and_read(tree: Tree) -> None:
    """Byte for byte, whatever is in their names; a link is a file that holds its target, and nothing follows it."""
    wanted = {**CONTENT, **{path: target.encode() for path, target in LINKS.items()}}
    assert {path: tree.read(path) for path in tree.files()} == wanted
    assert {*tree.links()} == {*LINKS}


def test_ids_are_gits(tree: Tree, tmp_path: Path) -> None:
    """Of files and links, so that equal content has one id in every tree."""
    root = begin_repository(tmp_path / "asked")
    for path, identity in tree.files().items():
        (tmp_path / "content").write_bytes(tree.read(path))
        assert git(root, "hash-object", str(tmp_path / "content")) == identity, path


@pytest.mark.parametrize("path", ["none", "models", "models/", "b.txt/below", ""])
def test_what_is_no_file_is_a_key_error(tree: Tree, path: str) -> None:
    """Directories included."""
    assert path not in tree.files()
    with pytest.raises(KeyError):
        tree.read(path)


@pytest.mark.parametrize(
    ("text", "prefixes", "found"),
    [
        ("needle", [""], ["b.txt", "models/a/v10/model.yaml", "models/a[b]/*.txt"]),
        ("needle", ["models/a/v1"], ["models/a/v10/model.yaml"]),
        ("needle", ["models/a/v1/"], []),
        ("needle", ["b", "models/a["], ["b.txt", "models/a[b]/*.txt"]),
        ("needle", ["models/a[b]/*.t"], ["models/a[b]/*.txt"]),
        ("two\nlines", [""], ["models/a/v1/words.bin"]),
        ("n.edle", [""], []),
        ("needle", [], []),
    ],
)
def test_text_is_found_under_any_of_the_prefixes(tree: Tree, text: str, prefixes: list[str], found: list[str]) -> None:
    """As it stands, with no pattern in text or prefix; sorted, and without links."""
    assert tree.containing(text, iter(prefixes)) == found
