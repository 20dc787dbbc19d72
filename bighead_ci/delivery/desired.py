"""What a commit says should run: every environment with its releases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bighead_ci.definitions.files import place_of
from bighead_ci.definitions.loading import load_environment, load_release
from bighead_ci.documents.definition import EnvironmentDefinition
from bighead_ci.documents.live import DesiredModel, DesiredVariant
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.errors import InputError
from bighead_ci.ports.tree import Tree


@dataclass(frozen=True)
class Desired:
    """Environments and releases of one commit."""

    commit: str
    environments: dict[str, EnvironmentDefinition]
    releases: dict[tuple[str, str], PlacedRelease]
    """By (environment, model)."""
    unreadable: dict[tuple[str, str], InputError]
    """Releases that somebody brought past the checks with problems in them; each stands in its own model's way."""

    def release(self, environment: str, model: str) -> Release | None:
        """One release.

        Raises:
            InputError: its file has problems.
        """
        if (environment, model) in self.unreadable:
            raise self.unreadable[environment, model]
        placed = self.releases.get((environment, model))
        return placed.release if placed else None

    def mended(self, places: Iterable[tuple[str, str]]) -> Desired:
        """The same without these unreadable releases, for a change that replaces them."""
        replaced = set(places)
        return replace(self, unreadable={p: e for p, e in self.unreadable.items() if p not in replaced})

    def environment(self, name: str) -> EnvironmentDefinition:
        """One environment.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.environments:
            known = ", ".join(sorted(self.environments)) or "none"
            raise InputError(f"there is no environment {name!r}; environments: {known}")
        return self.environments[name]

    def serving(self, model: str) -> list[PlacedRelease]:
        """Releases of a model, in the order of promotion (an environment after the one it promotes from).

        Raises:
            InputError: the file of one of them has problems.
        """
        for place in self.unreadable:
            if place[1] == model:
                raise self.unreadable[place]
        found = [placed for placed in self.releases.values() if placed.model == model]
        return sorted(found, key=lambda placed: (self.depth(placed.environment), placed.environment))

    def variant_names(self, environment: str, model: str) -> tuple[str, str]:
        """Process names of a release's (oldest, newest) variants."""
        variants = self.releases[environment, model].release.variants
        return process_name(model, variants[0]), process_name(model, variants[-1])

    def depth(self, environment: str) -> int:
        """How many promotions lie before an environment."""
        depth, seen = 0, {environment}
        while (before := self.environments[environment].promotes_from) and before not in seen:
            seen.add(before)
            environment, depth = before, depth + 1
        return depth

    def after(self, environment: str | None) -> list[str]:
        """Environments that promote from this one (None: the first ones)."""
        return sorted(name for name, e in self.environments.items() if e.promotes_from == environment)


def read_desired(tree: Tree, commit: str) -> Desired:
    """Read all environments and releases of a commit's tree."""
    environments: dict[str, EnvironmentDefinition] = {}
    releases: dict[tuple[str, str], PlacedRelease] = {}
    unreadable: dict[tuple[str, str], InputError] = {}
    for path in tree.files():
        if not path.startswith("environments/"):
            continue
        place = place_of(path)
        if place is not None and place.kind == "environment":
            environments[place.name] = load_environment(tree, place.name)
        elif place is not None and place.kind == "release":
            try:
                releases[place.of, place.name] = load_release(tree, place.of, place.name)
            except InputError as error:
                unreadable[place.of, place.name] = error
    return Desired(commit, environments, releases, unreadable)


def process_name(model: str, variant: Variant) -> str:
    """A variant's name on a platform, unique in an environment: `flight-delay-v2-3f2a9c1d`."""
    return f"{model}-{variant.name}".replace("_", "-")


def desired_models(desired: Desired) -> list[DesiredModel]:
    """The releases as the platform takes them, by environment and model."""
    return [
        DesiredModel(
            environment=environment,
            model=model,
            commit=desired.commit,
            variants=[
                DesiredVariant(
                    name=process_name(model, variant),
                    model=model,
                    version=variant.version,
                    image=variant.image,
                    artifact=variant.artifact,
                    run=variant.run,
                    weight=variant.weight,
                )
                for variant in placed.release.variants
            ],
        )
        for (environment, model), placed in sorted(desired.releases.items())
    ]
