"""Where an environment runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bighead_ci.documents.definition import EnvironmentDefinition
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel


class Platform(Protocol):
    """Brings processes and traffic to what git says. Every call is safe to repeat and to be killed in."""

    def start(self, environment: str, definition: EnvironmentDefinition) -> None:
        """Bring the environment's router up if it is not.

        Raises:
            InputError: the port is taken by somebody else; names it.
        """

    def ensure_variant(self, environment: str, variant: DesiredVariant, timeout_seconds: float) -> None:
        """Start the variant at no traffic unless it runs, and wait until it is ready (golden rows re-scored).

        Raises:
            InputError: it refuses to serve (corrupted artifact, golden mismatch); carries its own last words.
            RetryError: not ready in time.
        """

    def route(self, desired: DesiredModel) -> None:
        """Put the weights in force at the router, and return when they are."""

    def remove_variants(self, environment: str, model: str, keep: Sequence[str]) -> list[str]:
        """Drain and stop the model's variants not named in `keep`; return the names stopped."""

    def observe(self, environment: str) -> list[LiveModel]:
        """What runs now, and the weights in force, read from the platform itself."""

    def stop(self, environment: str) -> None:
        """Stop everything in the environment."""
