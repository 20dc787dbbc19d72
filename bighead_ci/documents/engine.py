"""A part of the engine, as far as it can change a result."""

from __future__ import annotations

from functools import cached_property

from bighead_ci.documents.base import Digest, Document, digest_of


class Component(Document):
    """The engine's files that some of its modules import, and the distributions that those files import."""

    files: dict[str, Digest]
    """Path below the package (`features/kernel.py`) → digest of the file."""
    distributions: dict[str, str]
    """Third-party distribution → installed version; `absent` where it is imported but not installed."""

    @cached_property
    def digest(self) -> Digest:
        """Of the files alone: which distributions count is for the environment to say that the component runs in."""
        return digest_of(self.files)
