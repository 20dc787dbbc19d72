"""What a library says is shortened by whole sentences, and never inside a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.sentences import shortened

WORDS = st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30), max_size=60)


@given(WORDS, st.integers(5, 200))
def test_what_is_kept_are_the_first_words_whole(words: list[str], most: int) -> None:
    """In one line, no longer than asked for unless a single word is."""
    found = shortened("\n".join(words), most)
    kept = found.removesuffix("…").split()
    assert kept == words[: len(kept)]
    assert len(found) <= max(most, *(len(word) + 2 for word in words), 0)
    assert bool(found) == bool(words)


def test_whole_sentences_stay_where_one_fits() -> None:
    """What comes after them is left out, not begun."""
    text = "No converter knows Own.\nIt usually means that it is yours! And so on, at some length."
    assert shortened(text, 70) == "No converter knows Own. It usually means that it is yours!"
    assert shortened(text, 40) == "No converter knows Own."
    assert shortened(text, 12) == "No …"
