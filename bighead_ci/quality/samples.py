"""Makes two data frames comparable: the same rows on every run, and columns that have one kind in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

MAX_CATEGORIES = 50
"""Of a column of categories; the rarer ones are compared together."""
OTHER = "(other)"
TESTED_ROWS = 1000
"""Up to this many reference rows Evidently tests instead of measuring a distance."""
EXPECTED_ROWS = 5
"""A test of categories needs each to be expected this often, the usual rule for chi-square; fewer rows are chance."""
_LARGEST = 1e100
"""Numbers are cut to this size: a histogram over more overflows."""


@dataclass(frozen=True)
class Comparable:
    """Columns of both samples by kind, and those that one of them has no values of."""

    reference: pd.DataFrame
    current: pd.DataFrame
    numbers: list[str]
    categories: list[str]
    identifiers: list[str]
    """Texts of which hardly any comes often enough to be compared by itself."""
    constant: list[str]
    """One and the same value everywhere in both, or too few rows to tell values apart."""
    without_values: dict[str, tuple[pd.Series, pd.Series]]
    """Column → which values are missing in reference and current; in one of them all are."""


def sample(data: pd.DataFrame, rows: int) -> pd.DataFrame:
    """At most that many rows, chosen at random but always the same ones, in their order."""
    if len(data) <= rows:
        return data.reset_index(drop=True)
    chosen = np.random.default_rng(0).choice(len(data), rows, replace=False)
    return data.iloc[np.sort(chosen)].reset_index(drop=True)


def comparable(reference: pd.DataFrame, current: pd.DataFrame) -> Comparable:
    """The columns that both have; times and lists are left out.

    When either sample is small, categories are merged for a test, and the reference is cut to as many rows as Evidently
    tests. It is cut last: a value must not look new because the cut lost it.
    """
    tested = min(len(reference), len(current)) <= TESTED_ROWS
    pairs: dict[str, tuple[pd.Series, pd.Series]] = {}
    numbers, identifiers = set(), set()
    for name in reference.columns:
        if name not in current.columns or _is_incomparable(reference[name]) or _is_incomparable(current[name]):
            continue
        if _is_number(reference[name]) and _is_number(current[name]):
            numbers.add(str(name))
            pairs[str(name)] = _numbers(reference[name]), _numbers(current[name])
        else:
            texts = _texts(reference[name]), _texts(current[name])
            merged = (_merge_for_test if tested else _merge_rare)(*texts)
            pairs[str(name)] = merged or texts
            if merged is None:
                identifiers.add(str(name))
    left = sample(
        pd.DataFrame({name: ours for name, (ours, _) in pairs.items()}), TESTED_ROWS if tested else len(reference)
    )
    return _classified(left, pd.DataFrame({name: theirs for name, (_, theirs) in pairs.items()}), numbers, identifiers)


def _classified(reference: pd.DataFrame, current: pd.DataFrame, numbers: set[str], identifiers: set[str]) -> Comparable:
    kinds: dict[str, list[str]] = {"numbers": [], "categories": [], "identifiers": [], "constant": []}
    without: dict[str, tuple[pd.Series, pd.Series]] = {}
    for name in reference.columns:
        ours, theirs = reference[name], current[name]
        if ours.isna().all() or theirs.isna().all():
            without[name] = (ours.isna(), theirs.isna())
        elif _is_constant(pd.concat([ours, theirs]).dropna()):
            kinds["constant"].append(name)
        else:
            kind = "numbers" if name in numbers else "identifiers" if name in identifiers else "categories"
            kinds[kind].append(name)
    names = [*kinds["numbers"], *kinds["categories"], *kinds["identifiers"]]
    return Comparable(reference[names], current[names], **kinds, without_values=without)


def _is_incomparable(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return True
    values = column.dropna() if column.dtype == object else column[:0]
    return any(isinstance(value, list | tuple | set | dict | np.ndarray) for value in values)


def _is_number(column: pd.Series) -> bool:
    """An empty or all-missing column may be anything: it takes the other's kind."""
    return bool(pd.api.types.is_numeric_dtype(column)) or not column.notna().any()


def _numbers(column: pd.Series) -> pd.Series:
    values = pd.to_numeric(column, errors="coerce").astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.Series(np.where(np.isfinite(values), np.clip(values, -_LARGEST, _LARGEST), np.nan), dtype=np.float64)


def _texts(column: pd.Series) -> pd.Series:
    values: list[Any] = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return pd.Series(values, dtype=object)


def _is_constant(values: pd.Series) -> bool:
    return bool((values == values.iloc[0]).all())


def _merge_rare(ours: pd.Series, theirs: pd.Series) -> tuple[pd.Series, pd.Series]:
    shares = ours.value_counts(normalize=True).add(theirs.value_counts(normalize=True), fill_value=0)
    if len(shares) <= MAX_CATEGORIES:
        return ours, theirs
    return _rest_merged(_by_size(shares)[-(MAX_CATEGORIES - 1) :], ours, theirs)


def _merge_for_test(ours: pd.Series, theirs: pd.Series) -> tuple[pd.Series, pd.Series] | None:
    """Merge until every category can be expected often enough in the smaller sample; else one odd row is proof.

    How often, is asked of both samples together: what only one of them happens to have is not rarer in the other by
    chance. None where too little is left to compare.
    """
    expected = ours.value_counts().add(theirs.value_counts(), fill_value=0)
    expected *= min(ours.count(), theirs.count()) / max(expected.sum(), 1)
    order = _by_size(expected)
    rare = max(int((expected < EXPECTED_ROWS).sum()), len(order) - MAX_CATEGORIES)
    while 0 < rare < len(order) and expected[order[:rare]].sum() < EXPECTED_ROWS:
        rare += 1
    if rare <= 0:
        return ours, theirs
    return _rest_merged(order[rare:], ours, theirs) if rare < len(order) else None


def _by_size(sizes: pd.Series) -> list[str]:
    """Categories, smallest first; ties by name."""
    return sorted(sizes.index, key=lambda value: (sizes[value], value))


def _rest_merged(kept: list[str], *columns: pd.Series) -> tuple[pd.Series, pd.Series]:
    ours, theirs = (column.where(column.isin(kept) | column.isna(), OTHER) for column in columns)
    return ours, theirs
