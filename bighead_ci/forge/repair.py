"""Mends refs of pull requests that cannot be read: back to a version that can, or put aside; nothing more is lost."""

from __future__ import annotations

import os

from bighead_ci.errors import InputError
from bighead_ci.forge.pull_store import CHECKS, PULLS, PullStore
from bighead_ci.git.process import RefUpdate

ASIDE = "refs/bighead/unreadable/"
"""Where what was replaced stays, under its old name and version, for whoever wants to look at it."""


def repair(store: PullStore) -> list[str]:
    """Mend what is unreadable; a line for each ref that moved.

    Raises:
        RetryError: somebody changed one of them meanwhile.
    """
    done = _without_objects(store)
    for name, version in store.repository.refs(PULLS).items():
        number = name.removeprefix(PULLS)
        if number.isdecimal() and _readable(store, version, int(number)):
            continue
        aside = f"{ASIDE}{number}/{version[:12]}"
        good = _newest_readable(store, version, int(number)) if number.isdecimal() else None
        kept = RefUpdate(aside, version, store.ref(aside))
        moved = RefUpdate(name, good, version) if good is not None else None
        store.repository.git.update_refs([kept, *([moved] if moved else [])])
        if good is None:
            store.repository.git.run("update-ref", "-d", name, version)
        words = f"back at its version {good[:12]}" if good else "taken away, for no version of it can be read"
        done.append(f"{name}: {words}; what it was is {aside}")
    return done


def _without_objects(store: PullStore) -> list[str]:
    """Take away refs to what is not there any more, as after a power loss: nothing could be put in their place."""
    gone = {
        name: version
        for name, version in store.repository.refs(PULLS, CHECKS).items()
        if store.repository.git.objects.identify(version) is None
    }
    for name, version in gone.items():
        store.repository.git.run("update-ref", "-d", name, version)
    return [
        f"{name}: taken away, for {version[:12]} is not in the repository any more" for name, version in gone.items()
    ]


def _newest_readable(store: PullStore, version: str, number: int) -> str | None:
    """Of the versions that this one was made from."""
    git = store.repository.git
    listed = git.run("rev-list", "--first-parent", version, allowed=(0, 128))
    versions = os.fsdecode(listed.stdout).split()
    return next((one for one in versions if _readable(store, one, number)), None)


def _readable(store: PullStore, version: str, number: int) -> bool:
    try:
        return store.load(version).number == number
    except InputError:
        return False
