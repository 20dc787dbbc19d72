"""Where images are built and kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bighead_ci.documents.image import ImageManifest, ImageRecipe, ImageRef
from bighead_ci.ports.progress import Progress
from bighead_ci.ports.tree import Tree


class ImageBuilder(Protocol):
    """Builds an image a recipe. References are of what was built, never of what was planned."""

    def ensure(self, recipe: ImageRecipe, tree: Tree, progress: Progress) -> ImageRef:
        """The image of that key: the one that was built before, if it is whole, else built now from the tree's files.

        Raises:
            InputError: the lock has problems or cannot be installed.
            RetryError: the disk is full, the package index or the registry does not answer.
            BugError: a file of the tree or the engine is not the one that the recipe names.
        """

    def find(self, reference: str) -> ImageManifest | None:
        """The image of that reference, verified whole; None if there is none or it is damaged."""

    def built(self, model: str, key: str) -> ImageRef | None:
        """The image that this builder has of a model for that key, verified whole; None if it has none.

        A key is the same for every builder and a reference is not: so one that others built is looked for.
        """

    def kept(self) -> Mapping[str, ImageManifest]:
        """Reference → image, of all that this builder has here and could be asked for, whole or not looked at."""

    def remove(self, reference: str) -> None:
        """Let an image go that `kept` names; what others share with it stays. No error if it is gone already."""

    def bill(self, reference: str) -> bytes:
        """The bill of materials of an image that `find` finds, as CycloneDX 1.6 in JSON.

        Raises:
            InputError: there is no such image.
        """
