"""An explanation as a terminal shows it: a bar for each input, to the right where it adds, else to the left."""

from __future__ import annotations

from rich.table import Table

from bighead_ci.cli.output import table_of
from bighead_ci.documents.explanation import Attribution, RawScore

HALF = 20
"""Characters of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar_table(part: Attribution, of: RawScore) -> Table:
    """A row each input, those that move the score most first, from `base` to `raw`."""
    ranked = sorted(part.inputs.items(), key=lambda item: -abs(item[1]))
    longest = max((abs(value) for value in part.inputs.values()), default=0.0)
    rows = [("(base)", f"{part.base:+.4g}", "")]
    rows += [(name, f"{value:+.4g}", bar(value, longest)) for name, value in ranked]
    rows.append(("(raw score)", f"{part.raw:+.4g}", ""))
    how = "base and all inputs add up to the raw score; base is what the model gives where it knows no input"
    return table_of(("input", of, ""), rows, f"{part.output}: {of} {part.raw:.4g}", how)


def bar(value: float, longest: float) -> str:
    """A line from the middle, as long as the value beside the longest."""
    eighths = round(8 * HALF * abs(value) / longest) if longest > 0 else 0
    if value < 0:  # there are no blocks that fill from the right
        return f"{'█' * round(eighths / 8):>{HALF}}│"
    return f"{'':{HALF}}│{'█' * (eighths // 8)}{_EIGHTHS[eighths % 8].strip()}"
