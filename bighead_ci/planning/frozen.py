"""What a release serves is frozen: a released version, and what it is made of, change by a new version only. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bighead_ci.definitions.files import LOCKS, RUN, Files, Kind, Place, next_version
from bighead_ci.documents.release import release_path
from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.meaning import Definitions, meaning
from bighead_ci.planning.specs import is_unread
from bighead_ci.planning.users import Users


def frozen_problems(base: Definitions, head: Definitions, touched: Mapping[Place, list[str]]) -> list[Problem]:
    """Edits in place of what an environment serves, by the releases of `base`.

    The card (README.md), owner, description and resources may change; so may what its next run is made of (run.yaml),
    expectations of a feature set, and data. What is removed must serve nowhere in `head` any more. A definition that
    cannot be read in `base` (brought past the checks) meant nothing there, so that mending it is no edit in place.
    """
    return list(_Frozen(base, head).problems(touched))


class _Frozen:
    def __init__(self, base: Definitions, head: Definitions) -> None:
        self.base = base
        self.head = head
        self.users = Users(base.files)

    def problems(self, touched: Mapping[Place, list[str]]) -> Iterator[Problem]:
        for place, files in touched.items():
            if not self.base.files.has(place.file):
                continue
            gone = not self.head.files.has(place.file)
            if place.kind == "model":
                yield from self._removal(place) if gone else self._model(place, files)
            elif gone and place.kind in {"feature-set", "source"}:
                yield from self._used(place)
            elif place.kind == "feature-set" and "feature_set.yaml" in files:
                yield from self._feature_set(place)
            elif place.kind == "source":
                yield from self._source(place)

    def released_in(self, model: Place) -> list[str]:
        """Environments whose release has a variant of the model version."""
        return _released_in(self.base.files, model)

    def _removal(self, place: Place) -> Iterator[Problem]:
        """A version may go with its releases: in the same change, or after them."""
        still = _released_in(self.head.files, place)
        if still:
            releases = " ".join(release_path(environment, place.name) for environment in still)
            yield Problem(
                file=place.folder,
                message=f"{place.name}/{place.of} serves in {', '.join(still)} and may not be removed while it does",
                allowed=(
                    f"remove its releases in the same pull request, or first (git rm {releases}), or promote another "
                    "version and let this one be retired; how to delete or rename a model: docs/releases.md"
                ),
            )

    def _model(self, place: Place, files: list[str]) -> Iterator[Problem]:
        changed = [
            file for file in files if not is_unread(file) and file != RUN and not self._says_the_same(place, file)
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
                    "README.md, run.yaml, owner, description and resources may change; anything else needs a new "
                    f"version: bighead new model {place.name}"
                ),
                suggestion=f"models/{place.name}/{self._next('model', place.name)}",
            )

    def _says_the_same(self, place: Place, file: str) -> bool:
        """Whether a definition means what it did before, or a lock has the same pins as before, shared or not."""
        if file in LOCKS:
            return self._same_lock(f"{place.folder}/{file}")
        return file == "model.yaml" and not self._means_more(place)

    def _same_lock(self, path: str) -> bool:
        if not self.base.files.has(path) or not self.head.files.has(path):
            return False
        before, after = self.base.files.lock(path), self.head.files.lock(path)
        return before.text == after.text and not before.problems and not after.problems

    def _means_more(self, place: Place) -> bool:
        """Whether model.yaml says something else than before."""
        before = self.base.files.model(place.name, place.of)
        after = self.head.files.model(place.name, place.of)
        return before is not None and (after is None or meaning(before) != meaning(after))

    def _feature_set(self, place: Place) -> Iterator[Problem]:
        identity = f"{place.name}/{place.of}"
        before = self.base.feature_set_meaning(identity)
        mended = self.base.files.feature_set(identity) is None
        if mended or before == self.head.feature_set_meaning(identity):
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

    def _used(self, place: Place) -> Iterator[Problem]:
        """A feature set or source goes after what serves by it."""
        users = [(user, still) for user in self.users.models(place) if (still := _released_in(self.head.files, user))]
        if users:
            yield Problem(
                file=place.file,
                message=f"is used by {_served(users)} and may not be removed while that serves",
                allowed="remove their releases in the same pull request, or first: docs/releases.md",
            )

    def _source(self, place: Place) -> Iterator[Problem]:
        if self.base.files.source(place.name) is None:
            return
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


def _released_in(files: Files, model: Place) -> list[str]:
    """Environments whose release, in these files, has a variant of the model version."""
    environments = sorted(place.of for place in files.places if place.kind == "release" and place.name == model.name)
    found = []
    for environment in environments:
        release = files.release(environment, model.name)
        if release is not None and any(variant.version == model.of for variant in release.variants):
            found.append(environment)
    return found


def _served(users: list[tuple[Place, list[str]]]) -> str:
    return ", ".join(f"{user.name}/{user.of} (serves in {', '.join(where)})" for user, where in users)
