"""Who served what, when: answered from git alone."""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate

from bighead_ci.definitions.files import place_of
from bighead_ci.definitions.loading import load_release
from bighead_ci.delivery.context import Context
from bighead_ci.documents.base import Document, Moment
from bighead_ci.documents.release import Release
from bighead_ci.errors import InputError
from bighead_ci.ports.repository import Commit


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
        return ", ".join(f"{variant.version} {variant.weight} %" for variant in self.release.variants)


def history(
    context: Context, model: str | None = None, environment: str | None = None, at: datetime | None = None
) -> list[ServedSpan]:
    """Spans of each release file, newest first; `at` keeps the span that holds that moment.

    The times are those of the commits on main (a merged pull request is one commit), so a span starts when git said so;
    the router follows within seconds. A commit that is dated before the one it follows counts from that one's time.
    """
    head = context.repository.resolve("main")
    spans: list[ServedSpan] = []
    for path in sorted(filter(_is_release, context.repository.touched(head, "environments"))):
        _, of_environment, file = path.split("/")
        of_model = file.removesuffix(".yaml")
        if (model in (None, of_model)) and (environment in (None, of_environment)):
            spans += _spans(context, of_environment, of_model, context.repository.log(head, path))
    if at is not None:
        spans = [span for span in spans if span.since <= at and (span.until is None or at < span.until)]
    return sorted(spans, key=lambda span: (span.since, span.environment, span.model), reverse=True)


def _is_release(path: str) -> bool:
    place = place_of(path) if path.startswith("environments/") else None
    return place is not None and place.kind == "release"


def _spans(context: Context, environment: str, model: str, commits: list[Commit]) -> list[ServedSpan]:
    since = list(accumulate((commit.at for commit in reversed(commits)), max))[::-1]
    spans = []
    for commit, begins, ends in zip(commits, since, [None, *since], strict=False):
        release, unreadable = release_at(context, commit.id, environment, model)
        spans.append(
            ServedSpan(
                environment=environment,
                model=model,
                commit=commit.id,
                author=commit.author,
                subject=commit.subject,
                since=begins,
                until=ends,
                release=release,
                unreadable=unreadable,
            )
        )
    return spans


def release_at(context: Context, commit: str, environment: str, model: str) -> tuple[Release | None, str]:
    """A release at a commit and "", or None and why it cannot be read ("" when there was none)."""
    tree = context.repository.tree(commit)
    try:
        tree.read(f"environments/{environment}/{model}.yaml")  # listing all files of each commit would take long
        return load_release(tree, environment, model).release, ""
    except KeyError:
        return None, ""
    except InputError as error:
        return None, str(error)


def past_releases(context: Context, environment: str, model: str, revision: str) -> list[Release]:
    """Every readable content that a release file had up to a revision, newest first."""
    path = f"environments/{environment}/{model}.yaml"
    found = [release_at(context, commit.id, environment, model)[0] for commit in context.repository.log(revision, path)]
    return [release for release in found if release is not None]
