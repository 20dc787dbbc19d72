"""The files that main has rendered of a release, as objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from bighead_ci.documents import labels
from bighead_ci.errors import InputError
from bighead_ci.platforms.kubernetes.api import DEPLOYMENT, HTTP_ROUTE, Json, Kind


@dataclass(frozen=True)
class Committed:
    """A model's objects in one environment, as main says them; in the order of their files."""

    objects: list[Json]

    def of_variant(self, variant: str) -> list[Json]:
        """What comes and goes with a variant; what its Deployment needs to start comes first."""
        own = [one for one in self.objects if variant_of(one) == variant]
        return sorted(own, key=lambda one: Kind.of(one) == DEPLOYMENT)

    @property
    def shared(self) -> list[Json]:
        """What belongs to the model whatever its variants, but for the route."""
        return [one for one in self.objects if variant_of(one) is None and Kind.of(one) != HTTP_ROUTE]

    @property
    def route(self) -> Json | None:
        """How callers' requests are shared between the variants."""
        return next((one for one in self.objects if Kind.of(one) == HTTP_ROUTE), None)


def read_committed(files: Mapping[str, bytes], where: str) -> Committed:
    """The objects of rendered files: name → content.

    Raises:
        InputError: a file is no YAML, or an object is not labelled as ours: it could never be pruned.
    """
    objects = []
    for name, content in sorted(files.items()):
        try:
            found = [one for one in yaml.load_all(content, yaml.CSafeLoader) if one is not None]
        except yaml.YAMLError as error:
            raise InputError(f"{where}/{name} is no YAML: {error}") from None
        for one in found:
            if label_of(one, labels.MANAGED_BY) != labels.BIGHEAD:
                raise InputError(f"{where}/{name}: {describe(one)} lacks the label {labels.MANAGED_BY}: bighead")
        objects += found
    return Committed(objects)


def label_of(one: Json, label: str) -> str | None:
    """A label of an object."""
    found = (one.get("metadata", {}).get("labels") or {}).get(label)
    return None if found is None else str(found)


def variant_of(one: Json) -> str | None:
    """The variant that an object comes and goes with."""
    return label_of(one, labels.VARIANT)


def name_of(one: Json) -> str:
    """An object's name."""
    return str(one["metadata"]["name"])


def describe(one: Json) -> str:
    """`Deployment flight-delay-v2-3f2a9c1d`."""
    return f"{one.get('kind', 'object')} {one.get('metadata', {}).get('name', '')}"
