"""What an expectation asked for and what was seen, in short words for the report."""

from __future__ import annotations

import math
from typing import Any

MAX_LENGTH = 160
_SHOWN_VALUES = 3
_SHOWN_ITEMS = 10


def expected_text(kind: str, arguments: dict[str, Any]) -> str:
    """`values to be between 0 and 5000, in at least 99 % of rows`."""
    rest = {key: value for key, value in arguments.items() if key not in {"column", "mostly"} and value is not None}
    words = kind.removeprefix("expect_").removeprefix("column_").removeprefix("table_").replace("_", " ")
    text = words
    if words.endswith(" between") and ("min_value" in rest or "max_value" in rest):
        text = f"{words.removesuffix(' to be between')} {_range(rest)}"
    if rest:
        listed = "; ".join(f"{key.replace('_', ' ')} {value_text(value)}" for key, value in rest.items())
        text = f"{text} ({listed})"
    if "mostly" in arguments:
        text += f", in at least {float(arguments['mostly']) * 100:g} % of rows"
    return _truncated(text)


def observed_text(found: dict[str, Any], exceptions: list[str]) -> str:
    """`12 of 200,000 rows unexpected (0.006 %): -3, -1`, the observed value, or what was raised."""
    if exceptions:
        return _truncated(f"could not be checked: {_first_line(min(exceptions, key=len))}")
    count, total = found.get("unexpected_count"), found.get("element_count")
    if count is not None and total is not None:
        text = f"{int(count):,} of {int(total):,} rows unexpected"
        if count:
            text += f" ({100 * count / total:.3g} %){_examples(found)}"
        return _truncated(text)
    if "observed_value" in found:
        return _truncated(f"{value_text(found['observed_value'])}{_examples(found)}")
    return "no value"


def value_text(value: Any) -> str:
    """A value as people read it: numbers to six digits, collections cut after a few."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        items = [value_text(item) for item in value]
        shown = ", ".join(items[:_SHOWN_ITEMS])
        return f"[{shown}, … {len(items)} in all]" if len(items) > _SHOWN_ITEMS else f"[{shown}]"
    return _scalar_text(value)


def _scalar_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _range(arguments: dict[str, Any]) -> str:
    low, high = arguments.pop("min_value", None), arguments.pop("max_value", None)
    below = ">" if arguments.pop("strict_min", False) else "≥"
    above = "<" if arguments.pop("strict_max", False) else "≤"
    ends = [f"{sign} {value_text(end)}" for sign, end in ((below, low), (above, high)) if end is not None]
    return " and ".join(ends)


def _examples(found: dict[str, Any]) -> str:
    values = list(dict.fromkeys(value_text(value) for value in found.get("partial_unexpected_list") or []))
    return f": {', '.join(values[:_SHOWN_VALUES])}{', …' if len(values) > _SHOWN_VALUES else ''}" if values else ""


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"
