"""Text from data made harmless in Markdown: it reads the same and does nothing.

Two kinds of reader are defended against: the CommonMark parser (emphasis, code, links, images, tables, HTML) and what
a forge does to the text after parsing (mentions, references, bare addresses, formulas). The first are escaped; the
second work on rendered text, where escapes are gone, so an invisible zero-width space breaks them.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote, urlsplit

GAP = "\u00a0"
"""A space that no line breaks at, between a mark or figure and what belongs to it."""

_BREAK = "\u200b"
"""Zero-width space: seen by nobody, but it ends a mention, a reference or an address."""

_BACKSLASHED = re.compile(r"([\\*\[\]~])")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "$": "&#36;", "{": "&#123;"}
_ENTITY = re.compile("[" + re.escape("".join(_ENTITIES)) + "]")
_LINE_START = re.compile(r"^(\d*)([-+=.)])(?=[\s=-]|$)")
_ACTIVE = re.compile(r"(?<=[@#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=GH)(?=-\d)|(?<=mailto:)|(?<=xmpp:)", re.IGNORECASE)
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_KEPT_IN_FENCE = {"\n", "\t"}


def printable(value: object, limit: int = 200) -> str:
    """One line of visible characters: white space runs become a space, control and direction marks become `�`."""
    line = " ".join(str(value)[: limit * 4].split())
    line = "".join("�" if unicodedata.category(c) in _HIDDEN else c for c in line)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def text(value: object, limit: int = 200) -> str:
    """Markdown that renders as the value's characters and nothing else; safe anywhere in a line and in a table cell."""
    line = _ACTIVE.sub(_BREAK, printable(value, limit))
    line = _BACKSLASHED.sub(r"\\\1", line)
    line = _UNDERSCORE.sub(r"\\_", line)
    line = _ENTITY.sub(lambda match: _ENTITIES[match[0]], line)
    return _LINE_START.sub(r"\1\\\2", line)


def code(value: object, limit: int = 120) -> str:
    """An identifier in a code span; as escaped text when it holds what a code span or a table cell cannot."""
    line = printable(value, limit)
    return f"`{line}`" if line and not set(line) & set("`|\\") else text(line or "(empty)", limit)


def fence(content: str, language: str = "", lines: int = 400, width: int = 400) -> str:
    """A fenced block that its content cannot close; overlong content is cut with a note."""
    shown = content.splitlines()
    rest = len(shown) - lines
    visible = ["".join(_in_fence(c) for c in line[:width]) for line in shown[:lines]]
    if rest > 0:
        visible.append(f"… and {rest:,} more lines")
    body = "\n".join(visible)
    longest = max((len(run) for run in re.findall("`+", body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{body}\n{ticks}"


def _in_fence(character: str) -> str:
    hidden = unicodedata.category(character) in _HIDDEN and character not in _KEPT_IN_FENCE
    return "�" if hidden else character


def link(title: str, url: str) -> str:
    """A link to a web address or a relative path; any other address (a local file) is shown, not linked."""
    target = web_address(url, {"http", "https", ""})
    if not target:
        return f"{text(title)}: {code(url, 400)}"
    address = quote(target, safe="/:?&=%~+,;.-_#@")
    return f"[{text(title)}](<{address}>)"


def web_address(url: str, schemes: Iterable[str]) -> str:
    """The address without white space and control characters; empty when its scheme is none of those allowed."""
    target = "".join(c for c in url if c.isprintable() and not c.isspace())
    try:
        scheme = urlsplit(target).scheme
    except ValueError:
        return ""
    relative = not scheme and not target.startswith(("//", "\\"))
    return target if scheme in set(schemes) and (scheme or relative) else ""


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = (), most: int | None = None
) -> str:
    """A table of cells that are Markdown already; columns in `numbers` are aligned right.

    Of more rows than `most`, a last one counts the rest.
    """
    right = set(numbers)
    lines = [_row(header), _row("---:" if i in right else "---" for i in range(len(header)))]
    lines += [_row(row) for row in rows[:most]]
    if most is not None and len(rows) > most:
        lines.append(_row([f"… and {len(rows) - most:,} more", *[""] * (len(header) - 1)]))
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def details(summary: str, body: str) -> str:
    """A section that opens on a click: a summary of plain text over a body of Markdown."""
    title = html.escape(_ACTIVE.sub(_BREAK, printable(summary)))
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"
