"""How a pull request looks in a terminal: a list of several, and the page of one."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bighead_ci.cli.output import printable
from bighead_ci.documents.base import short
from bighead_ci.documents.forge import Check, PullRequest, PullRequestSummary

STATE_STYLES = {
    "success": "green",
    "failure": "red",
    "error": "red",
    "pending": "yellow",
    "open": "green",
    "merged": "magenta",
    "closed": "red",
}
_FOLD = re.compile(r"<details>\s*<summary>(.*?)</summary>", re.DOTALL)


def pull_request_table(pulls: list[PullRequestSummary], checks_of: Callable[[str], list[Check]]) -> Table:
    """A row a pull request.

    Args:
        pulls: Which.
        checks_of: Checks of a commit.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("", "title", "state", "branch", "author", "checks"):
        table.add_column(column, overflow="fold")
    for pull in pulls:
        cells = (pull.title, pull.state, pull.source, pull.author)
        table.add_row(
            f"#{pull.number}",
            *(Text(printable(cell), style=STATE_STYLES.get(cell, "")) for cell in cells),
            _checks(checks_of(pull.head)),
        )
    return table


def _checks(checks: list[Check]) -> Text:
    states = [check.state for check in checks]
    words = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    style = next((STATE_STYLES[s] for s in ("failure", "error", "pending", "success") if s in states), "")
    return Text(", ".join(words) or "none", style=style)


def page_of(pull: PullRequest, checks: list[Check]) -> RenderableType:
    """Everything of one pull request."""
    heading = Text.assemble(
        (f"#{pull.number} {printable(pull.title)}", "bold"),
        "  ",
        (pull.state, STATE_STYLES[pull.state]),
        f"\n{printable(pull.author)} wants {printable(pull.source)} ({short(pull.head)}) in {printable(pull.target)}, "
        f"since {pull.created_at:%Y-%m-%d %H:%M} UTC",
    )
    if pull.merge_commit:
        heading.append(f"\nmerged as {short(pull.merge_commit)}")
    if pull.labels:
        heading.append(f"\nlabels: {printable(', '.join(pull.labels))}")
    parts: list[RenderableType] = [heading, _check_table(checks), Text(f"reviews: {_reviews(pull)}")]
    if pull.body.strip():
        parts += [Rule(), Markdown(printable(_for_a_terminal(pull.body)))]
    for comment in pull.comments:
        title = f"{printable(comment.marker)} by {printable(comment.author)}, {comment.updated_at:%Y-%m-%d %H:%M} UTC"
        parts += [Rule(Text(title)), Markdown(printable(_for_a_terminal(comment.body)))]
    return Group(*parts)


def _check_table(checks: list[Check]) -> RenderableType:
    if not checks:
        return Text("checks: none on this head yet")
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        table.add_row(
            Text(check.state, style=STATE_STYLES[check.state]),
            Text(printable(check.name)),
            Text(printable(check.description)),
        )
    return table


def _reviews(pull: PullRequest) -> str:
    words = [f"{printable(r.author)} {'approves' if r.approved else 'refuses'}" for r in pull.last_words()]
    return ", ".join(words) or "none on this head yet"


def _for_a_terminal(markdown: str) -> str:
    """What a web page folds stands open under its heading, and pictures become their descriptions."""
    without = re.sub(r"!\[([^\]]*)\]\(data:[^)]*\)", r"*(picture: \1)*", markdown)
    return _FOLD.sub(lambda found: f"\n\n#### {_plain(found[1])}\n\n", without).replace("</details>", "")


def _plain(heading: str) -> str:
    """The text of a heading that was written as HTML, with nothing in it that Markdown would take for markup."""
    return re.sub(r"([\\`*_\[\]<>#])", r"\\\1", html.unescape(heading))
