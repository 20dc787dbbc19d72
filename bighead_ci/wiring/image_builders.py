"""The builders of images of all environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bighead_ci.delivery.main import Main
    from bighead_ci.ports.images import ImageBuilder
    from bighead_ci.wiring.contexts import LocalContext


def image_builders(context: LocalContext, main: Main) -> list[ImageBuilder]:
    """That of directories, and one for each environment of containers.

    Raises:
        RetryError: there is such an environment, and no engine answers.
    """
    environments = main.desired.environments.items()
    return [context.images, *(context.images_of(name, one) for name, one in environments if one.platform != "local")]
