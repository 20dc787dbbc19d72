"""Escaping: whatever text data holds, a real CommonMark parser sees text."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bighead_ci.reporting.escaping import code, fence, link, printable, table, text

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NASTY = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="`|\\*_[]()<>!#@&;$~-+=:/.\n \tab1\u202e\u2028", max_size=60),
    st.lists(
        st.sampled_from(
            [
                "<script>alert(1)</script>", "![x](http://evil/x.png)", "[a](javascript:b)", "@everyone", "org/r#12",
                "|", "\\|", "`", "``", "</details>", "<!-- -->", "&lt;", "&#64;", "https://evil.example",
                "\n# title", "\n\n---\n", "- item", "1. item", "> quote", "**b**", "__b__", "~~s~~", "$x$",
                "www.evil.com", "a_b_c", "\r", "<http://a>", "user@example.org", "GH-3", "[ref]: /url",
                "![", "](", "\\", "{{ 7 }}", "$`x`$",
            ]
        ),
        max_size=8,
    ).map(" ".join),
)  # fmt: skip


def flat(markdown: str) -> list[Token]:
    return [t for token in PARSER.parse(markdown) for t in (token, *(token.children or []))]


def words(markdown: str) -> str:
    """What a reader sees, without the invisible breaks."""
    seen = "".join(t.content for t in flat(markdown) if t.type in {"text", "text_special", "code_inline"})
    return seen.replace("\u200b", "")


@given(NASTY)
@example("a | b")
@example("- x")
@example("1) x")
@example("===")
def test_text_renders_as_its_own_characters_and_nothing_else(value: str) -> None:
    """Escaped text is one paragraph of text whose characters are those of the value."""
    tokens = flat(text(value))
    assert {t.type for t in tokens} <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    assert words(text(value)) == printable(value).replace("\u200b", "").strip()


@given(NASTY)
def test_code_renders_as_its_own_characters(value: str) -> None:
    """A code span, or the escaped text in its place, shows the value and contains no markup."""
    types = {t.type for t in flat(code(value))}
    assert types <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "code_inline"}
    assert words(code(value)) == (printable(value, 120) or "(empty)")


@given(st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=4))
def test_a_table_keeps_its_cells_apart(rows: list[tuple[str, str]]) -> None:
    """Each cell shows its own value whatever it holds: no pipe or line break of a value makes another cell."""
    tokens = flat(table(["a", "b"], [[code(x), text(y)] for x, y in rows]))
    cells = [tokens[i + 1] for i, t in enumerate(tokens) if t.type == "td_open"]
    expected = [cell for x, y in rows for cell in (printable(x, 120) or "(empty)", printable(y))]
    assert [words(cell.content) for cell in cells] == [cell.replace("\u200b", "").strip() for cell in expected]
    assert not {"html_inline", "html_block", "link_open", "image", "em_open", "strong_open"} & {t.type for t in tokens}


@given(NASTY)
def test_nothing_in_text_pings_or_refers(value: str) -> None:
    """No mention, issue reference, web or mail address survives in the rendered characters."""
    shown = "".join(t.content for t in flat(text(value)) if t.type in {"text", "text_special"})
    assert not re.search(r"[@#]\w|://|www\.|GH-\d", shown, re.IGNORECASE)


@given(st.text(alphabet="`~\n ab+-<\u202e", max_size=200))
def test_a_fence_cannot_be_closed_by_its_content(content: str) -> None:
    """A fenced block is one token that holds all visible lines."""
    tokens = PARSER.parse(fence(content, "diff"))
    assert [t.type for t in tokens] == ["fence"]
    assert not any(unicodedata.category(c) == "Cf" for c in tokens[0].content)


def test_a_fence_says_how_many_lines_it_cut() -> None:
    """Lines past the limit are counted in a last line."""
    assert fence("a\nb\nc", lines=2) == "```\na\nb\n… and 1 more lines\n```"


def test_a_link_goes_only_where_a_click_is_harmless() -> None:
    """Scripts, data and local files are shown as text; web and relative addresses are linked, percent-encoded."""
    for url in ("javascript:alert(1)", "data:text/html,x", "java\nscript:x", "file:///a/b.html", "//evil", "http://[x"):
        assert "link_open" not in {t.type for t in flat(link("see", url))}
    (href,) = [t.attrs["href"] for t in flat(link("see", "https://a.b/c) <x> `y`?q=1#f")) if t.type == "link_open"]
    assert href == "https://a.b/c%29%3Cx%3E%60y%60?q=1#f"


def test_identifiers_stay_readable() -> None:
    """Snake case and decimals are left alone: an e-mail shows them as they are."""
    assert text("dep_delay_mean_7d is 0.051, -0.3 or 1.5") == "dep_delay_mean_7d is 0.051, -0.3 or 1.5"


def test_direction_marks_become_visible() -> None:
    """A right-to-left override cannot reorder what a reviewer reads."""
    assert printable("a\u202eb\x00c") == "a�b�c"
