"""What a commit says should run: every environment with its releases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from bighead_ci.definitions.files import place_of
from bighead_ci.definitions.loading import load_environment
from bighead_ci.delivery.release_reader import ReleaseReader
from bighead_ci.documents.environment import EnvironmentDefinition
from bighead_ci.documents.live import DesiredModel, DesiredVariant
from bighead_ci.documents.release import PlacedRelease, Release, process_name
from bighead_ci.errors import InputError, Problem
from bighead_ci.ports.tree import Tree

HOW_TO_MEND = "mend it by a pull request that changes this file, which is judged by its own version of it"
"""Said of what main has and nobody can read."""


@dataclass(frozen=True)
class Desired:
    """Environments and releases of one commit."""

    commit: str
    environments: dict[str, EnvironmentDefinition]
    releases: dict[tuple[str, str], PlacedRelease]
    """By (environment, model)."""
    unreadable: dict[tuple[str, str], InputError]
    """Releases that somebody brought past the checks with problems in them; each stands in its own model's way."""
    unreadable_environments: dict[str, InputError]
    """Environments likewise; each stands in the way of what happens there."""

    def release(self, environment: str, model: str) -> Release | None:
        """One release.

        Raises:
            InputError: its file has problems.
        """
        if (environment, model) in self.unreadable:
            raise self.unreadable[environment, model]
        placed = self.releases.get((environment, model))
        return placed.release if placed else None

    @property
    def named(self) -> set[str]:
        """Every environment that the commit names, readable or not."""
        return {*self.environments, *self.unreadable_environments}

    @cached_property
    def stuck(self) -> dict[tuple[str, str], InputError]:
        """Why releases cannot be brought into force: their own file or their environment's has problems."""
        placed = (place for place in self.releases if place[0] in self.unreadable_environments)
        return {place: self.unreadable_environments[place[0]] for place in placed} | self.unreadable

    def replacing(self, places: Iterable[tuple[str, str]]) -> Desired:
        """The same without these unreadable releases, for a change that replaces them."""
        replaced = set(places)
        return replace(self, unreadable={p: e for p, e in self.unreadable.items() if p not in replaced})

    def environment(self, name: str) -> EnvironmentDefinition:
        """One environment.

        Raises:
            InputError: there is none of that name, or its file has problems.
        """
        if name in self.unreadable_environments:
            raise self.unreadable_environments[name].saying(HOW_TO_MEND)
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
        seen = [environment]
        while (definition := self.environments.get(seen[-1])) and definition.promotes_from:
            if definition.promotes_from in seen:
                break
            seen.append(definition.promotes_from)
        return len(seen) - 1

    def after(self, environment: str | None) -> list[str]:
        """Environments that promote from this one (None: the first ones)."""
        return sorted(name for name, e in self.environments.items() if e.promotes_from == environment)


def read_desired(tree: Tree, commit: str, reader: ReleaseReader) -> Desired:
    """Read all environments and releases of a commit's tree."""
    environments: dict[str, EnvironmentDefinition] = {}
    unreadable_environments: dict[str, InputError] = {}
    contents: dict[tuple[str, str], str] = {}
    for path, content in tree.files().items():
        place = place_of(path) if path.startswith("environments/") else None
        if place is not None and place.kind == "release":
            contents[place.of, place.name] = content
        elif place is not None:
            try:
                environments[place.name] = load_environment(tree, place.name)
            except InputError as error:
                unreadable_environments[place.name] = error
    reader.prepare((*place, content) for place, content in contents.items())
    releases: dict[tuple[str, str], PlacedRelease] = {}
    unreadable: dict[tuple[str, str], InputError] = {}
    for (environment, model), content in contents.items():
        try:
            release = reader.read(environment, model, content)
            releases[environment, model] = PlacedRelease(environment=environment, model=model, release=release)
        except InputError as error:
            unreadable[environment, model] = error
    for environment, model in contents:
        if environment not in environments and environment not in unreadable_environments:
            path = f"environments/{environment}/environment.yaml"
            message = f"is missing, and {model}.yaml beside it says what serves there"
            unreadable_environments[environment] = InputError([Problem(file=path, message=message)])
    return Desired(commit, environments, releases, unreadable, unreadable_environments)


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
