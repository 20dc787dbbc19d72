"""Reads releases by the id of their content: each content once, however many commits have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bighead_ci.definitions.release_file import read_release
from bighead_ci.documents.release import Release
from bighead_ci.errors import BugError, InputError


class ReleaseReader:
    """Releases of a repository, of any commit.

    Args:
        blobs: Contents by content id, read in one go; ids that name none are left out.
    """

    def __init__(self, blobs: Callable[[Iterable[str]], Mapping[str, bytes]]) -> None:
        self._blobs = blobs
        self._known: dict[tuple[str, str, str], Release | InputError] = {}

    def prepare(self, contents: Iterable[tuple[str, str, str]]) -> None:
        """Read many at once: (environment, model, content id) each."""
        wanted = [key for key in dict.fromkeys(contents) if key not in self._known]
        raw = self._blobs(content for _, _, content in wanted) if wanted else {}
        for key in wanted:
            environment, model, content = key
            if content not in raw:
                raise BugError(f"{environment}/{model}: the repository has no content {content}")
            try:
                self._known[key] = read_release(environment, model, raw[content])
            except InputError as error:
                self._known[key] = error

    def read(self, environment: str, model: str, content: str) -> Release:
        """One release.

        Raises:
            InputError: the content has problems (all of them).
        """
        key = (environment, model, content)
        self.prepare([key])
        found = self._known[key]
        if isinstance(found, InputError):
            raise found
        return found

    def attempt(self, environment: str, model: str, content: str | None) -> tuple[Release | None, str]:
        """A release and "", or None and why it cannot be read ("" where there was none)."""
        if content is None:
            return None, ""
        try:
            return self.read(environment, model, content), ""
        except InputError as error:
            return None, str(error)
