"""Shortening: within the limit, the least important first, and never silently."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.reporting.shortening import Block, characters, fit

BLOCKS = st.lists(
    st.builds(
        Block,
        st.integers(0, 900).map(lambda n: "word 🙂\n" * (n // 8)),
        st.integers(0, 9),
        st.sampled_from(["picture", "table"]),
    ),
    max_size=20,
)


@given(BLOCKS)
def test_a_comment_stays_within_the_limit_and_says_what_is_missing(blocks: list[Block]) -> None:
    """Whatever the blocks, the text fits, and a note stands in it exactly when something went."""
    shown = fit(blocks, "See the page.", limit=3_000)
    assert characters(shown) <= 3_000
    whole = sum(characters(b.text) + 2 for b in blocks) <= 3_000
    assert ("Left out" in shown) is not whole


def test_the_largest_rank_goes_first() -> None:
    """Pictures go before details, and what has rank 0 stays."""
    blocks = [Block("a" * 900), Block("b" * 900, 100, "picture"), Block("c" * 900, 10, "table"), Block("d" * 300)]
    shown = fit(blocks, "See the page.", limit=3_000)
    assert "aaa" in shown
    assert "ddd" in shown
    assert "bbb" not in shown
    assert "1 picture" in shown
    assert shown.endswith("See the page.\n")


def test_an_emoji_counts_as_a_forge_counts_it() -> None:
    """Characters beyond the first plane count twice."""
    assert characters("a🙂") == 3
