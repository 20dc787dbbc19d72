"""`environments/<env>/<model>.yaml`: what serves there. Only the moves of `planning.releases` edit it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, model_validator

from bighead_ci.documents.base import CommitId, Digest, Document, Name, Percent, Version, digest_of
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.image import Reference

ALL = 100
"""All the traffic, in percent."""


class Variant(Document):
    """A model version + image + artifact, and its share of the traffic."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    version: Version
    image: Reference
    artifact: Digest
    run: str
    """The record's run id."""
    commit: CommitId
    """The commit whose record this is."""
    weight: Percent

    @property
    def name(self) -> str:
        """Unique in a release, a host name label: `v2-3f2a9c1d`, of version, artifact and image."""
        identity = digest_of([self.artifact, self.image]).removeprefix("sha256:")
        return f"{self.version}-{identity[:8]}"


class Release(Document):
    """Variants of one model in one environment: what serves, beside it a canary that comes in or what served before.

    The last variant is the newest. While it has less than all the traffic it is the `candidate` of a canary, which may
    begin without any; once it has all, the older one is the `standby`: ready without traffic, so that the way back
    takes seconds, until the bot retires it. Nothing runs that main does not name.
    """

    variants: Annotated[list[Variant], Field(min_length=1, max_length=2)]
    canary: CanaryPlan

    @model_validator(mode="wrap")
    @classmethod
    def _validated_once(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A release is checked when it is made, not again whenever another document takes it in."""
        if isinstance(value, cls):
            return value
        return handler(value).checked()

    def checked(self) -> Self:
        """The release itself, if its variants and weights are such as a release can have.

        Raises:
            ValueError: says what is wrong.
        """
        if sum(variant.weight for variant in self.variants) != ALL:
            raise ValueError("the weights of the variants must add up to 100")
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError("the variants must differ in version, artifact or image")
        steps = self.canary.steps
        if steps != sorted(set(steps)) or steps[-1] != ALL:
            raise ValueError("canary.steps must rise and end at 100")
        if len(self.variants) > 1 and self.newest.weight not in {0, *steps}:
            raise ValueError(f"the new variant's weight must be 0 or one of canary.steps {steps}")
        return self

    @property
    def oldest(self) -> Variant:
        """The variant that came first; the only one where there is one."""
        return self.variants[0]

    @property
    def newest(self) -> Variant:
        """The variant that came last; the only one where there is one."""
        return self.variants[-1]

    @property
    def stable(self) -> Variant:
        """The variant that serves, apart from a canary under way."""
        return self.newest if self.newest.weight == ALL else self.oldest

    @property
    def candidate(self) -> Variant | None:
        """The variant that a canary is bringing in, if any."""
        return self.newest if self.newest.weight < ALL else None

    @property
    def standby(self) -> Variant | None:
        """The variant that served before and stays ready without traffic, if any."""
        return self.oldest if self.newest.weight == ALL and len(self.variants) > 1 else None

    def called(self, variant: Variant) -> str:
        """One of its variants in words: by version, or by name where both are of one version."""
        return variant.name if len({one.version for one in self.variants}) < len(self.variants) else variant.version

    @property
    def split(self) -> str:
        """`v1 90 %, v2 10 %`."""
        return ", ".join(f"{self.called(variant)} {variant.weight} %" for variant in self.variants)


def process_name(model: str, variant: Variant) -> str:
    """A variant's name on a platform, unique in an environment: `flight-delay-v2-3f2a9c1d`."""
    return f"{model}-{variant.name}".replace("_", "-")


def release_path(environment: str, model: str) -> str:
    """The file of a release, relative to the repository."""
    return f"environments/{environment}/{model}.yaml"


def rendered_directory(environment: str, model: str) -> str:
    """Where files lie that a platform renders of a release."""
    return f"environments/{environment}/rendered/{model}"


def rendered_for(path: str) -> tuple[str, str] | None:
    """The (environment, model) of the release that a rendered file is of, by its path; None for any other file."""
    match path.split("/"):
        case ["environments", environment, "rendered", model, _, *_]:
            return environment, model
    return None


def environment_rendered_path(environment: str, name: str) -> str:
    """A file that a platform renders of an environment itself."""
    return f"environments/{environment}/rendered/{name}"


def environment_rendered_for(path: str) -> str | None:
    """The environment that a rendered file is of, by its path; None for any other file, and those of releases."""
    match path.split("/"):
        case ["environments", environment, "rendered", _]:
            return environment
    return None


class PlacedRelease(Document):
    """A release with its place."""

    environment: Name
    model: Name
    release: Release

    @property
    def path(self) -> str:
        """File, relative to the repository."""
        return release_path(self.environment, self.model)
