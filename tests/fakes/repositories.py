"""Repositories on disk for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def git(directory: Path, *arguments: str, who: str = "ada") -> str:
    """Run git in a directory as somebody and return what it prints."""
    identity = ["-c", f"user.name={who}", "-c", f"user.email={who}@example.invalid"]
    command = ["git", *identity, "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def begin_repository(directory: Path, *, bare: bool = True) -> Path:
    """A new repository whose `main` has one empty commit."""
    directory.mkdir(parents=True)
    git(directory, "init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
    tree = git(directory, "hash-object", "-t", "tree", "-w", "/dev/null")
    git(directory, "update-ref", "refs/heads/main", git(directory, "commit-tree", "-m", "begin", tree))
    return directory


HOOKS = ("pre-commit", "commit-msg", "pre-push", "reference-transaction", "post-checkout", "post-index-change")
OPINIONS = """
[core]
    hooksPath = {home}/hooks
    excludesFile = {home}/ignored
    attributesFile = {home}/attributes
    autocrlf = true
    safecrlf = true
    quotePath = true
    fsmonitor = /bin/false
    editor = /bin/false
    pager = /bin/false
    abbrev = 4
[init]
    templateDir = {home}/template
    defaultBranch = trunk
[commit]
    gpgSign = true
    template = {home}/missing
[tag]
    gpgSign = true
[gpg]
    program = /bin/false
[push]
    gpgSign = true
    default = nothing
    followTags = true
[diff]
    noprefix = true
    mnemonicPrefix = true
    external = /bin/false
    renames = false
    orderFile = {home}/missing
[merge]
    conflictStyle = diff3
    renames = false
[merge "ours"]
    driver = true
[log]
    showSignature = true
    decorate = full
    date = relative
    follow = true
    mailmap = true
[color]
    ui = always
[grep]
    patternType = perl
    lineNumber = true
    fullName = true
[url "file:///nowhere/"]
    insteadOf = /
[status]
    short = true
[fetch]
    prune = true
[receive]
    denyCurrentBranch = refuse
[transfer]
    hideRefs = refs/bighead
"""


def opinionated_git(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on git finds the settings of somebody who has many: signing, hooks, templates, patterns to ignore."""
    for folder in (home / "hooks", home / "template" / "hooks"):
        folder.mkdir(parents=True)
        for hook in (
            "pre-commit",
            "commit-msg",
            "pre-push",
            "reference-transaction",
            "post-checkout",
            "post-index-change",
        ):
            (folder / hook).write_text("#!/bin/sh\nexit 1\n")
            (folder / hook).chmod(0o755)
    (home / "ignored").write_text("*.lock\n*.json\nenvironments/\n")
    (home / "attributes").write_text("* merge=ours diff=missing text eol=crlf\n")
    (home / "gitconfig").write_text(OPINIONS.format(home=home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
