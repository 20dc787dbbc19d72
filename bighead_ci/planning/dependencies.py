"""What a model version is made of, as paths whose history is the version's history. Pure."""

from __future__ import annotations

from bighead_ci.definitions.files import Files, Place


def dependency_paths(files: Files, model: str, version: str) -> list[str]:
    """A model version's directory, and the feature sets and sources that it depends on; sorted.

    What cannot be read adds nothing: the directory is always there.
    """
    found = {Place("model", model, version).folder}
    definition = files.model(model, version)
    if definition is not None:
        found |= {Place("source", name).file for name in (definition.spine.source, definition.label.source)}
        for use in definition.features:
            found |= {*feature_set_paths(files, use.set)}
    return sorted(found)


def feature_set_paths(files: Files, identity: str) -> list[str]:
    """A feature set's directory and its source, by `name/vN`."""
    definition = files.feature_set(identity)
    source = [Place("source", definition.source).file] if definition is not None else []
    return [Place("feature-set", *identity.split("/")).folder, *source]
