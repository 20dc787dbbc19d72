"""What a release serves is frozen: a released version, and what it is made of, change by a new version only. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bighead_ci.definitions.files import RUN, Kind, Place, next_version
from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.meaning import Definitions, meaning
from bighead_ci.planning.specs import is_unread
from bighead_ci.planning.users import Users


def frozen_problems(base: Definitions, head: Definitions, touched: Mapping[Place, list[str]]) -> list[Problem]:
    """Edits in place of what an environment serves, by the releases of `base`.

    The card (README.md), owner and description may change; so may what its next run is made of (run.yaml),
    expectations of a feature set, and data.
    """
    return list(_Frozen(base, head).problems(touched))


class _Frozen:
    def __init__(self, base: Definitions, head: Definitions) -> None:
        self.base = base
        self.head = head
        self.users = Users(base.files)
        self._environments: list[str] | None = None

    def problems(self, touched: Mapping[Place, list[str]]) -> Iterator[Problem]:
        for place, files in touched.items():
            if not self.base.files.has(place.file):
                continue
            if place.kind == "model":
                yield from self._model(place, files)
            elif place.kind == "feature-set" and "feature_set.yaml" in files:
                yield from self._feature_set(place)
            elif place.kind == "source":
                yield from self._source(place)

    def released_in(self, model: Place) -> list[str]:
        """Environments whose release has a variant of the model version."""
        if self._environments is None:
            self._environments = sorted(
                path.split("/")[1]
                for path in self.base.files.ids
                if path.startswith("environments/") and path.endswith("/environment.yaml")
            )
        found = []
        for environment in self._environments:
            release = self.base.files.release(environment, model.name)
            if release is not None and any(variant.version == model.of for variant in release.variants):
                found.append(environment)
        return found

    def _model(self, place: Place, files: list[str]) -> Iterator[Problem]:
        changed = [
            file
            for file in files
            if not is_unread(file) and file != RUN and (file != "model.yaml" or self._means_more(place))
        ]
        environments = self.released_in(place) if changed else []
        if environments:
            yield Problem(
                file=f"{place.folder}/{changed[0]}",
                message=(
                    f"{place.name}/{place.of} serves in {', '.join(environments)} and may not be edited in place "
                    f"({', '.join(changed)})"
                ),
                allowed=(
                    "README.md, run.yaml, owner and description may change; anything else needs a new version: "
                    f"bighead new model {place.name}"
                ),
                suggestion=f"models/{place.name}/{self._next('model', place.name)}",
            )

    def _means_more(self, place: Place) -> bool:
        """Whether model.yaml says something else than before."""
        before = self.base.files.model(place.name, place.of)
        after = self.head.files.model(place.name, place.of)
        return before is None or after is None or meaning(before) != meaning(after)

    def _feature_set(self, place: Place) -> Iterator[Problem]:
        identity = f"{place.name}/{place.of}"
        if self.base.feature_set_meaning(identity) == self.head.feature_set_meaning(identity):
            return
        users = [(user, where) for user in self.users.models(place) if (where := self.released_in(user))]
        if users:
            yield Problem(
                file=place.file,
                message=f"{identity} is used by {_served(users)} and may not change its meaning in place",
                allowed=(
                    "owner, description and expectations may change; anything else needs a new version: "
                    f"bighead new feature-set {place.name}"
                ),
                suggestion=f"features/{place.name}/{self._next('feature-set', place.name)}",
            )

    def _source(self, place: Place) -> Iterator[Problem]:
        users = [
            (user, where)
            for user in self.users.models(place)
            if self._differs(user) and (where := self.released_in(user))
        ]
        if users:
            yield Problem(
                file=place.file,
                message=f"source {place.name} is used by {_served(users)} and may not change its meaning in place",
                allowed="columns may be added, owner and description may change; anything else needs a new source",
            )

    def _differs(self, user: Place) -> bool:
        """Whether a model's own sources or feature sets mean something else now, seen from the old model.yaml."""
        definition = self.base.files.model(user.name, user.of)
        if definition is None:
            return True
        try:
            same_rows = self.base.rows(definition) == self.head.rows(definition)
        except InputError:
            return True
        return not same_rows or any(
            self.base.feature_set_meaning(use.set) != self.head.feature_set_meaning(use.set)
            for use in definition.features
        )

    def _next(self, kind: Kind, name: str) -> str:
        return next_version(self.base.files.places | self.head.files.places, kind, name)


def _served(users: list[tuple[Place, list[str]]]) -> str:
    return ", ".join(f"{user.name}/{user.of} (serves in {', '.join(where)})" for user, where in users)
