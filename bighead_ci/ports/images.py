"""Where images are built and kept."""

from __future__ import annotations

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
