"""A failure is said once for each duty and object, and again only when it changes."""

from __future__ import annotations

from collections.abc import Collection

from bighead_ci.ports.progress import Progress


class FailureLog:
    """Remembers what was said last of each object of each duty."""

    def __init__(self, say: Progress) -> None:
        self._say = say
        self._said: dict[tuple[str, str], str] = {}

    def say(self, duty: str, name: str, text: str) -> None:
        """Say what is wrong with an object (with the whole duty, if it has no name), unless that was said last."""
        if self._said.get((duty, name)) != text:
            self._said[duty, name] = text
            self._say(f"{name}: {text}" if name else f"{duty}: {text}")

    def over(self, duty: str, name: str = "") -> None:
        """It is well again: the same failure would be news."""
        self._said.pop((duty, name), None)

    def keep_only(self, duty: str, names: Collection[str]) -> None:
        """It is well with all other objects of a duty."""
        for said in [key for key in self._said if key[0] == duty and key[1] and key[1] not in names]:
            del self._said[said]
