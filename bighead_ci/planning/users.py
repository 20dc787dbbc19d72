"""Who uses a feature set or source: found by text first, so only the files that name it are parsed."""

from __future__ import annotations

from collections.abc import Iterator

from bighead_ci.definitions.files import Files, Place, place_of


class Users:
    """Dependents in one tree."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._models: dict[Place, list[Place]] = {}

    def feature_sets(self, source: Place) -> list[Place]:
        """Feature set versions of a source."""
        found = []
        for place in self._naming(source.name, "features/", "feature-set"):
            definition = self.files.feature_set(f"{place.name}/{place.of}")
            if definition is not None and definition.source == source.name:
                found.append(place)
        return sorted(found)

    def models(self, place: Place) -> list[Place]:
        """Model versions that use a feature set, or a source directly or through feature sets."""
        if place not in self._models:
            found = self._of_source(place) if place.kind == "source" else self._of_set(place)
            self._models[place] = sorted(set(found))
        return self._models[place]

    def _of_set(self, place: Place) -> Iterator[Place]:
        identity = f"{place.name}/{place.of}"
        for user in self._naming(identity, "models/", "model"):
            definition = self.files.model(user.name, user.of)
            if definition is not None and any(use.set == identity for use in definition.features):
                yield user

    def _of_source(self, place: Place) -> Iterator[Place]:
        for user in self._naming(place.name, "models/", "model"):
            definition = self.files.model(user.name, user.of)
            if definition is not None and place.name in {definition.spine.source, definition.label.source}:
                yield user
        for one in self.feature_sets(place):
            yield from self.models(one)

    def _naming(self, text: str, prefix: str, kind: str) -> Iterator[Place]:
        for path in self.files.tree.containing(text, [prefix]):
            place = place_of(path)
            if place is not None and place.kind == kind and place.file == path:
                yield place
