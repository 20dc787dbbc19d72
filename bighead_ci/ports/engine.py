"""The engine that runs here: what its parts are made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from bighead_ci.documents.engine import Component

WHOLE = "*"
"""Stands for every module of the engine among the roots of a component."""


class Engine(Protocol):
    """Tells one engine from another, part by part: an edit of one part changes only what was made by it."""

    @property
    def python(self) -> str:
        """`3.11`: the version of Python that it runs on."""

    def has(self, module: str) -> bool:
        """Whether it has a module of that name (`bighead_ci.features.batch`)."""

    def component(self, roots: Collection[str]) -> Component:
        """All that the named modules (`bighead_ci.features.batch`, or `WHOLE`) import, directly or not.

        Where one of them imports what only running it would tell, all of the engine.

        Raises:
            BugError: there is no such module.
        """

    def distributions(self, modules: Collection[str]) -> dict[str, str]:
        """Distribution → installed version of third-party modules by their top-level names; only what is installed."""

    def with_required(self, distributions: Collection[str]) -> dict[str, str]:
        """Distribution → installed version of these and of all that they require, directly or not, on this platform.

        One that is not installed is `absent`.
        """

    def read(self, path: str) -> bytes:
        """One file of a component.

        Raises:
            KeyError: the engine has no such file.
        """
