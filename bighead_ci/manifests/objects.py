"""What all rendered objects share: their metadata, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from bighead_ci.documents import labels
from bighead_ci.documents.base import Version
from bighead_ci.documents.definition import VersionedModel
from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.documents.release import PlacedRelease, Variant, process_name

Json = dict[str, Any]
HEADER = b"# Rendered by `bighead render`, and committed with what it is rendered from. Never edited by hand.\n"
PORT = 8080
"""Where the process of a variant listens in its container."""


@dataclass(frozen=True)
class Placed:
    """A release, and what it is rendered from besides."""

    environment: KubernetesEnvironment
    release: PlacedRelease
    versions: Mapping[Version, VersionedModel]
    """What main says of each version that the release names."""

    @property
    def model(self) -> str:
        """Its name."""
        return self.release.model

    @property
    def owner(self) -> str:
        """Of the newest version."""
        return self.versions[self.release.release.newest.version].definition.owner

    @property
    def labels(self) -> dict[str, str]:
        """Of every object of the model."""
        return {
            labels.MANAGED_BY: labels.BIGHEAD,
            labels.ENVIRONMENT: self.release.environment,
            labels.MODEL: self.model,
        }

    def metadata(self, name: str, **more: str) -> Json:
        """Of one of its objects; `more` are labels."""
        return {"name": name, "namespace": self.environment.namespace, "labels": {**self.labels, **more}}

    def process_name(self, variant: Variant) -> str:
        """What the objects of a variant are called."""
        return process_name(self.model, variant)


def object_name(name: str) -> str:
    """A name of ours as Kubernetes takes one."""
    return name.replace("_", "-")


class _Dumper(yaml.CSafeDumper):
    """Writes an object that is met twice twice: no file has anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's
        """Whatever it is."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def written(objects: Sequence[Json]) -> bytes:
    """A file with these objects, always the same for the same objects."""
    text = yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, explicit_start=True)
    return HEADER + text.encode()
