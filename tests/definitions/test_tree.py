from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.errors import InputError
from bighead_ci.git.process import Git
from bighead_ci.git.tree import GitTree


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


def test_a_link_is_a_file_that_holds_its_target(tree: DirectoryTree) -> None:
    """As in git: nothing is followed, so a link that leads nowhere, in a circle or outside is read like any other."""
    targets = {"nowhere": "none", "circle": "circle", "outside": "/etc/hostname", "folder": "models/a"}
    for name, target in targets.items():
        (tree.path / name).symlink_to(target)
    assert tree.links() == {*targets}
    assert {name: tree.read(name).decode() for name in targets} == targets
    assert sorted(tree.files()) == sorted(["b.txt", "models/a/v1/model.yaml", *targets])
    said = subprocess.run(
        ["git", "hash-object", "--stdin"], input="models/a", capture_output=True, text=True, check=True
    )
    assert tree.files()["folder"] == said.stdout.strip()


def test_a_pipe_is_not_there(tree: DirectoryTree) -> None:
    """Reading one would wait for ever, and git cannot hold one."""
    os.mkfifo(tree.path / "models/pipe.yaml")
    assert "models/pipe.yaml" not in tree.files()


def test_what_cannot_be_read_is_an_input_error(tree: DirectoryTree) -> None:
    """The message names the file and the system's reason."""
    long = "n" * 300
    with pytest.raises(InputError, match=f"{long}: cannot be read: File name too long"):
        tree.read(long)


def test_a_commit_and_its_work_tree_agree_on_links(tree: DirectoryTree) -> None:
    """What is refused on a laptop is refused by the checks, and the other way round."""
    (tree.path / "models/a/v2").symlink_to("v1")
    (tree.path / "models/a/v1/model.py").symlink_to("/etc/hostname")
    shutil.rmtree(tree.path / ".git")
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    for command in (["init", "-q"], ["add", "models", "b.txt"], [*who, "commit", "-q", "-m", "links"]):
        subprocess.run(["git", *command], cwd=tree.path, check=True)
    committed = GitTree(Git(tree.path), "HEAD")
    assert committed.links() == tree.links() == {"models/a/v2", "models/a/v1/model.py"}
    assert {path: committed.files()[path] for path in tree.files()} == {**tree.files()}
