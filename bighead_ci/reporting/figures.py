"""Numbers as people read them: three decimals, a real minus sign, seconds and bytes with units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

NONE = "–"
"""Stands where there is no figure."""

_TIGHT = "\u00a0"
"""A space that no line breaks at, so that a figure stays in one piece in a narrow table."""

_BARS = "▁▂▃▄▅▆▇█"
_SMALL = 0.0005
_LARGE = 1000


def figure(value: float | None) -> str:
    """A measured figure: `0.741`, `12,345`, `3.1e-05`."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= _LARGE and isinstance(value, int):
        written = f"{value:,}"
    elif size >= _LARGE:
        written = f"{value:,.0f}"
    elif size >= _SMALL or size == 0:
        written = f"{value:.3f}"
    else:
        written = f"{value:.1e}"
    return written.replace("-", "−", 1) if value < 0 else written


def signed(value: float | None) -> str:
    """A difference with its sign: `+0.062`, `−0.004`."""
    if value is None or not math.isfinite(value):
        return NONE
    return figure(value) if value < 0 else f"+{figure(value)}"


def interval(low: float, high: float, *, sign: bool = False) -> str:
    """`[0.738, 0.744]`, with signs for a difference."""
    write = signed if sign else figure
    return f"[{write(low)},{_TIGHT}{write(high)}]"


def percent(part: float, whole: float = 1.0) -> str:
    """A share in percent: `3.2 %`, `< 0.1 %`."""
    if not whole or not math.isfinite(part / whole):
        return NONE
    share = 100 * part / whole
    return "< 0.1 %" if 0 < share < 0.1 else f"{share:.1f} %"  # noqa: PLR2004 - the last digit shown


def seconds(value: float) -> str:
    """A span of time: `3.4 s`, `38 s`, `2 min 5 s`, `1 h 4 min`."""
    if not math.isfinite(value):
        return NONE
    if value < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{value:.1f} s"
    whole = round(value)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    if not minutes:
        return f"{whole} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def milliseconds(value: float) -> str:
    """A latency: `0.42 ms`, `6.2 ms`, `41 ms`."""
    if not math.isfinite(value):
        return NONE
    digits = 2 if value < 1 else 1 if value < 100 else 0  # noqa: PLR2004 - three figures or fewer
    return f"{value:,.{digits}f} ms"


def size(count: float) -> str:
    """A number of bytes: `812 B`, `48 kB`, `1.2 MB`."""
    sign = "−" if count < 0 else ""
    left = abs(count)
    for unit in ("B", "kB", "MB"):
        if left < _LARGE:
            return f"{sign}{left:.0f} {unit}" if unit != "MB" else f"{sign}{left:.1f} MB"
        left /= _LARGE
    return f"{sign}{left:.1f} GB"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """`1 gate`, `6 gates`, `1,204 rows`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def moment(at: datetime) -> str:
    """`2013-10-01 10:00 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def sparkline(counts: Sequence[int]) -> str:
    """A histogram in one line of text, its tallest bin full: `▁▂▅█▃▁`; an empty bin is a dot."""
    top = max(counts, default=0)
    if top <= 0:
        return "·" * len(counts)
    last = len(_BARS) - 1
    return "".join("·" if c <= 0 else _BARS[min(last, int(c / top * len(_BARS)))] for c in counts)
