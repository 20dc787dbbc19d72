"""Fits a comment into what a forge takes: pictures go first, then details, and a note says what went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bighead_ci.reporting.figures import plural

LIMIT = 65_536
"""Characters that GitHub takes in a comment or a body."""

_RESERVED = 512
"""Left for the marker that the caller adds."""
_NOTE = 1_024
"""Left for our own note when something goes."""


@dataclass(frozen=True)
class Block:
    """A piece of Markdown that stands alone."""

    text: str
    rank: int = 0
    """0 stays to the end; the largest rank goes first, and within a rank the last block."""
    name: str = ""
    """What the note calls it, in the singular."""


def characters(text: str) -> int:
    """Length as forges count it, in UTF-16 units: never less than what any of them counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fit(blocks: Sequence[Block], where: str, limit: int = LIMIT - _RESERVED) -> str:
    """The blocks, one blank line apart, in at most `limit` characters; `where` says where all of it can be read."""
    sizes = [characters(block.text) + 2 for block in blocks]
    total = sum(sizes)
    if total <= limit:
        return _joined(blocks)
    target = limit - _NOTE
    order = sorted((i for i, block in enumerate(blocks) if block.rank), key=lambda i: (-blocks[i].rank, -i))
    dropped: set[int] = set()
    for i in order:
        if total <= target:
            break
        dropped.add(i)
        total -= sizes[i]
    kept = _joined([block for i, block in enumerate(blocks) if i not in dropped])
    counts = Counter(blocks[i].name for i in sorted(dropped))
    left_out = [plural(count, name) for name, count in sorted(counts.items())]
    if characters(kept) > target:
        kept = _whole_lines(kept, target)
        left_out.append("the end of this text")
    note = f"> ✂ Left out, for a comment holds {LIMIT:,} characters: {', '.join(left_out)}. {where}"
    return f"{kept}\n{note}\n"


def _joined(blocks: Sequence[Block]) -> str:
    return "\n\n".join(block.text for block in blocks if block.text) + "\n"


def _whole_lines(text: str, limit: int) -> str:
    """The longest run of whole lines within the limit."""
    kept, used = [], 0
    for line in text.splitlines():
        used += characters(line) + 1
        if used > limit:
            break
        kept.append(line)
    return "\n".join(kept) + "\n"
