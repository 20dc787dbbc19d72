"""Who served what, when: answered from git alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from bighead_ci.definitions.release_file import read_release
from bighead_ci.delivery.context import Context
from bighead_ci.delivery.main import Main
from bighead_ci.delivery.release_log import ReleaseEdit
from bighead_ci.delivery.release_reader import ReleaseReader
from bighead_ci.documents.base import Document, Moment
from bighead_ci.documents.release import Release, release_path
from bighead_ci.errors import InputError
from bighead_ci.ports.tree import Tree


class ServedSpan(Document):
    """What one environment said it serves for one model from one commit until the next."""

    environment: str
    model: str
    commit: str
    author: str
    subject: str
    since: Moment
    until: Moment | None
    """None: still so."""
    release: Release | None
    """None: nothing."""
    unreadable: str = ""
    """Why the release of that commit cannot be read, if so."""

    @property
    def split(self) -> str:
        """`v1 90 %, v2 10 %`."""
        if self.unreadable:
            return "unreadable"
        if self.release is None:
            return "nothing"
        return self.release.split


def history(
    context: Context, model: str | None = None, environment: str | None = None, at: datetime | None = None
) -> list[ServedSpan]:
    """Spans of each release file, newest first; `at` keeps the span that holds that moment.

    The times are those of the commits on main (a merged pull request is one commit), so a span starts when git said so;
    the router follows within seconds. A commit that is dated before the one it follows counts from that one's time.
    """
    main = context.main()
    edits = main.log.of(environment, model) if environment and model else main.log.all()
    kept = [e for e in edits if model in (None, e.model) and environment in (None, e.environment)]
    main.reader.prepare((e.environment, e.model, e.after) for e in kept if e.after is not None)
    by_release: dict[tuple[str, str], list[ReleaseEdit]] = {}
    for edit in kept:
        by_release.setdefault((edit.environment, edit.model), []).append(edit)
    spans = [span for found in by_release.values() for span in _spans(main.reader, found)]
    if at is not None:
        spans = [span for span in spans if span.since <= at and (span.until is None or at < span.until)]
    return sorted(spans, key=lambda span: (span.since, span.environment, span.model), reverse=True)


def _spans(reader: ReleaseReader, edits: Sequence[ReleaseEdit]) -> Iterator[ServedSpan]:
    since = list(accumulate((edit.commit.at for edit in reversed(edits)), max))[::-1]
    for edit, begins, ends in zip(edits, since, [None, *since], strict=False):
        release, unreadable = reader.attempt(edit.environment, edit.model, edit.after)
        yield ServedSpan(
            environment=edit.environment,
            model=edit.model,
            commit=edit.commit.id,
            author=edit.commit.author,
            subject=edit.commit.subject,
            since=begins,
            until=ends,
            release=release,
            unreadable=unreadable,
        )


def release_in(tree: Tree, environment: str, model: str) -> Release | None:
    """The release that a tree holds, if there is one and it can be read."""
    try:
        return read_release(environment, model, tree.read(release_path(environment, model)))
    except (KeyError, InputError):
        return None


def past_releases(main: Main, environment: str, model: str) -> list[Release]:
    """Every readable content that a release had on main, newest first."""
    edits = main.log.of(environment, model)
    main.reader.prepare((environment, model, edit.after) for edit in edits if edit.after is not None)
    found = [main.reader.attempt(environment, model, edit.after)[0] for edit in edits]
    return [release for release in found if release is not None]
