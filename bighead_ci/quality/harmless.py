"""Names and categories as a library's page may show them: they read the same and can be neither markup nor script.

Evidently writes them raw into the script of its page, and charts read HTML in labels.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from bighead_ci.quality.samples import Comparable

_LOOK_ALIKE = {"<": "‹", ">": "›", "&": "＆", "\\": "＼"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MOST = 200
"""Characters that are shown."""


def labels(values: Iterable[str]) -> dict[str, str]:
    """A label for each value, no two alike; a value that is harmless is its own."""
    wanted = {value: _harmless(value) for value in sorted(set(values))}
    found = {value: label for value, label in wanted.items() if value == label}
    taken = set(found)
    for value, label in wanted.items():
        if value in found:
            continue
        number, unique = 1, label
        while unique in taken:
            number += 1
            unique = f"{label} ({number})"
        found[value] = unique
        taken.add(unique)
    return found


def harmless(both: Comparable) -> tuple[Comparable, dict[str, str]]:
    """The same samples with harmless names and categories, and by which name a column went before."""
    called = labels([*both.numbers, *both.categories])
    reference, current = both.reference.copy(), both.current.copy()
    for name in both.categories:
        values = labels([*reference[name].dropna(), *current[name].dropna()])
        reference[name], current[name] = reference[name].map(values), current[name].map(values)
    shown = replace(
        both,
        reference=reference.rename(columns=called),
        current=current.rename(columns=called),
        numbers=[called[name] for name in both.numbers],
        categories=[called[name] for name in both.categories],
    )
    return shown, {label: name for name, label in called.items()}


def _harmless(value: str) -> str:
    whole = "".join("�" if unicodedata.category(c) in _HIDDEN else _LOOK_ALIKE.get(c, c) for c in value)
    return whole if len(whole) <= _MOST else f"{whole[: _MOST - 1]}…"
