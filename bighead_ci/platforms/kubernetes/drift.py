"""How an object in the cluster differs from what a file would make of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bighead_ci.platforms.kubernetes.api import Json
from bighead_ci.platforms.kubernetes.committed import describe

LONGEST = 80
"""Characters of a value that are shown."""
KEPT_BY_SERVER = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"})


def changes(live: Json, applied: Json) -> list[str]:
    """What an apply would change, a line a field: `Deployment a: spec.replicas is 3, main says 1`.

    Args:
        live: The object as it is.
        applied: What the server says that it would be, defaults and all.
    """
    return [f"{describe(live)}: {line}" for line in _changes(_own(live), _own(applied), "")]


def _own(one: Json) -> Json:
    """Without what the server keeps by itself."""
    metadata = {key: value for key, value in one["metadata"].items() if key not in KEPT_BY_SERVER}
    return {**{key: value for key, value in one.items() if key != "status"}, "metadata": metadata}


def _changes(live: object, applied: object, path: str) -> Iterator[str]:
    if isinstance(live, dict) and isinstance(applied, dict):
        for key in sorted(live.keys() | applied.keys()):
            yield from _changes(live.get(key), applied.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(live, list) and isinstance(applied, list) and len(live) == len(applied):
        for index, (one, other) in enumerate(zip(live, applied, strict=True)):
            yield from _changes(one, other, f"{path}.{_called(one, other, index)}")
    elif live != applied:
        yield f"{path} is {_shown(live)}, main says {_shown(applied)}"


def _called(one: object, other: object, index: int) -> str:
    """An item of a list by its name, where it has one and it is the same."""
    if isinstance(one, dict) and isinstance(other, dict) and one.get("name") == other.get("name") is not None:
        return str(one["name"])
    return str(index)


def _shown(value: object) -> str:
    if value is None:
        return "not there"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
