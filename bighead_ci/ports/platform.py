"""Where an environment runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bighead_ci.documents.definition import VersionedModel
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel
from bighead_ci.documents.release import PlacedRelease

DefinitionOf = Callable[[str], VersionedModel]
"""`v2` → what model.yaml of that version says."""


class Platform(Protocol):
    """Brings the processes and the traffic of one environment to what git says.

    Every call is safe to repeat and to be killed in.
    """

    def render(self, release: PlacedRelease, definition_of: DefinitionOf) -> Mapping[str, bytes]:
        """What is applied to bring the release into force: name → content; empty where no files are applied.

        A name is a path within the release's own directory of rendered files. The answer follows from the release, the
        environment's definition and those of the versions that the release names alone, and nothing is asked: it is
        committed with the release, and checked by rendering again.

        Args:
            release: The release.
            definition_of: What main says of a version of the model; raises InputError where it is missing.
        """

    def render_environment(self) -> Mapping[str, bytes]:
        """What the environment itself needs, whatever its releases: name beside their directories → content."""

    def start(self) -> None:
        """Bring the environment's router up if it is not.

        Raises:
            InputError: the port is taken by somebody else; names it.
        """

    def ensure_variant(self, variant: DesiredVariant, wait_seconds: float = 0.0) -> bool:
        """Start the variant at no traffic unless it runs; return whether it is ready (golden rows re-scored).

        It waits `wait_seconds` at most; by default the variant is started, and a later call finds it ready.

        Raises:
            InputError: it refuses to serve (corrupted artifact, golden mismatch); carries its own last words. It is
                started again by a call some seconds later, not at once.
            RetryError: it takes far longer to be ready than it ever should, and was stopped.
        """

    def route(self, desired: DesiredModel) -> None:
        """Put the weights in force at the router, and return when they are."""

    def remove_variants(self, model: str, keep: Sequence[str]) -> list[str]:
        """Drain and stop the model's variants not named in `keep`; return the names stopped."""

    def observe(self) -> list[LiveModel]:
        """What runs now, and the weights in force, read from the platform itself.

        A variant is ready once `ensure_variant` has found it ready, for only then can traffic reach it.

        Raises:
            RetryError: the environment does not answer.
        """

    def drift(self, model: str) -> list[str]:
        """What is other than main has rendered of a model, in words; empty where nothing is rendered.

        Variants and weights are observed: this is the rest.

        Raises:
            RetryError: the environment does not answer.
        """

    def mend(self, model: str) -> None:
        """Put back what `drift` names, and return when it is.

        Raises:
            RetryError: somebody else puts it back, and has not yet.
        """

    def ended(self) -> list[str]:
        """Names of processes that have ended by themselves, or ask to be replaced, the router's among them.

        Asks neither them nor the network: cheap enough for every second.
        """

    def in_use(self) -> bool:
        """Whether anything was started in the environment and not stopped since; asks neither processes nor network."""

    def stop(self) -> None:
        """Stop everything in the environment."""
