"""Compares two samples column by column with Evidently.

Evidently chooses the method by the column's kind and the reference's size: above 1,000 rows a distance (Wasserstein,
Jensen-Shannon), else a test (Kolmogorov-Smirnov, chi-square, proportions). A distance between few rows and many is
mostly noise, so when the current sample is small the reference is cut to the size at which Evidently tests instead.

Numbers are compared as numbers, everything else as categories. Columns of lists and of times are left out: lists have
no order to compare by, and time always moves on. Evidently looks at the values that are there; where the share of
missing ones moved further, that is what is reported.

A column drifted that lies beyond its threshold and beyond chance: among many columns of the same distribution some
always lie far apart. So each difference is tested as well (Kolmogorov-Smirnov, chi-square), and its p-value counts
times the number of columns (Bonferroni).

Of identifiers nearly every value of a small sample is new. What counts is whether more of them are new than in samples
of the pooled values.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset
from scipy import stats

from bighead_ci.documents.base import replacing
from bighead_ci.documents.record import ColumnDrift, DriftResult
from bighead_ci.quality.harmless import harmless
from bighead_ci.quality.samples import EXPECTED_ROWS, Comparable, comparable, sample

MAX_ROWS = 5000
"""Of each sample; more changes no verdict and takes longer."""
MISSING_THRESHOLD = 0.1
"""Largest difference of the share of missing values."""
CHANCE = 0.05
"""How probable it may be that in samples of one distribution any column lies as far apart as one that drifted."""
NEW_THRESHOLD = 0.1
"""Largest share of new values beyond what is expected."""
_DRAWS = 100
"""Random divisions of the pooled values; they give the mean and the spread of a share."""
_SMALLEST_P = 1e-300
CONTENT_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:\">"
)
"""Of the page: a browser that reads it reaches nobody."""


class EvidentlyDriftDetector:
    """`DriftDetector` on Evidently. Scores of tests are −log10 of the p-value, so that larger is further for all."""

    def __init__(self) -> None:
        os.environ["DO_NOT_TRACK"] = "1"
        logging.getLogger("evidently").setLevel(logging.ERROR)

    def compare(
        self, reference: pa.Table, current: pa.Table, names: tuple[str, str], html: Path | None = None
    ) -> DriftResult:
        """Compare the columns both have, furthest first, measured in thresholds.

        `html` gets Evidently's own page, self-contained; where there is nothing to compare, none is written and an
        older one is removed.
        """
        both = comparable(sample(reference.to_pandas(), MAX_ROWS), sample(current.to_pandas(), MAX_ROWS))
        if html is not None:
            html.unlink(missing_ok=True)
        columns = []
        if reference.num_rows and current.num_rows:
            measured = [*_measured(both, html), *(_identifiers(name, both) for name in both.identifiers)]
            columns = [*(_values_or_missing(one, both) for one in measured), *_unmeasured(both)]
        return DriftResult(
            reference=names[0],
            current=names[1],
            reference_rows=len(reference),
            current_rows=len(current),
            columns=sorted(_judged(columns), key=lambda one: (-one.score / one.threshold, one.column)),
        )


def _measured(both: Comparable, html: Path | None) -> list[ColumnDrift]:
    both, before = harmless(both)
    names = [*both.numbers, *both.categories]
    if not names:
        return []
    definition = DataDefinition(numerical_columns=both.numbers, categorical_columns=both.categories)
    # The preset's page is the better one to read; single metrics are twice as fast.
    metrics = [ValueDrift(column=name) for name in names] if html is None else [DataDriftPreset(columns=names)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snapshot = Report(metrics).run(
            Dataset.from_pandas(both.current[names], definition), Dataset.from_pandas(both.reference[names], definition)
        )
        if html is not None:
            _save_page(snapshot, html)
    answers = [one for one in snapshot.dict()["metrics"] if one["config"]["type"].endswith(":ValueDrift")]
    return [_column(before[one["config"]["column"]], one["config"], float(one["value"])) for one in answers]


def _save_page(snapshot: Any, html: Path) -> None:
    """Evidently's page, which may run what it brings and load nothing."""
    with replacing(html) as beside:
        snapshot.save_html(str(beside))
        page = beside.read_text(encoding="utf-8")
        beside.write_text(page.replace("<head>", f"<head>{CONTENT_POLICY}", 1), encoding="utf-8")


def _column(name: str, config: dict[str, Any], value: float) -> ColumnDrift:
    """As Evidently measures it; how it compares with chance is not known yet."""
    method, threshold = config["method"], float(config["threshold"])
    if method.endswith("p_value"):
        # A test that cannot tell the samples apart at all answers NaN.
        p_value = 1.0 if math.isnan(value) else min(max(value, _SMALLEST_P), 1.0)
        value, threshold = -math.log10(p_value), -math.log10(threshold)
        method = f"{method.removesuffix('p_value').strip()}, −log10 p"
    score = 0.0 if math.isnan(value) else value + 0.0
    return ColumnDrift(column=name, method=method, score=score, threshold=threshold, drifted=False, chance=1.0)


def _unmeasured(both: Comparable) -> list[ColumnDrift]:
    """Columns that no distance is defined for: nothing to tell apart, or no values."""
    constant = [
        ColumnDrift(
            column=name, method="one value only", score=0.0, threshold=MISSING_THRESHOLD, drifted=False, chance=1
        )
        for name in both.constant
    ]
    return constant + [_missing(name, *sides) for name, sides in both.without_values.items()]


def _values_or_missing(measured: ColumnDrift, both: Comparable) -> ColumnDrift:
    """What is further from its threshold: the values, or the share of missing ones where that is beyond chance."""
    ours, theirs = both.reference[measured.column], both.current[measured.column]
    values = measured
    if measured.column not in both.identifiers:
        chance = _values_by_chance(ours, theirs, numbers=measured.column in both.numbers)
        values = measured.model_copy(update={"chance": chance})
    missing = _missing(measured.column, ours.isna(), theirs.isna())
    rows = missing.score * min(len(ours), len(theirs))
    if rows < EXPECTED_ROWS or missing.chance > CHANCE:
        return values
    return max(values, missing, key=lambda one: one.score / one.threshold)


def _identifiers(column: str, both: Comparable) -> ColumnDrift:
    """The share of current rows whose value the reference lacks, less the share that is expected."""
    ours, theirs = both.reference[column].dropna(), both.current[column].dropna()
    codes, values = pd.factorize(pd.concat([ours, theirs]))
    random = np.random.default_rng(0)
    drawn = [_share_of_new(random.permutation(codes), len(ours), len(values)) for _ in range(_DRAWS)]
    beyond, spread = _share_of_new(codes, len(ours), len(values)) - float(np.mean(drawn)), float(np.std(drawn))
    return ColumnDrift(
        column=column,
        method="share of new values beyond what is expected",
        score=max(beyond, 0.0),
        threshold=NEW_THRESHOLD,
        drifted=False,
        chance=float(stats.norm.sf(beyond / spread)) if spread else 1.0,
    )


def _share_of_new(codes: npt.NDArray[np.intp], reference_rows: int, values: int) -> float:
    seen = np.zeros(values, dtype=np.bool_)
    seen[codes[:reference_rows]] = True
    return 1.0 - float(seen[codes[reference_rows:]].mean())


def _values_by_chance(ours: pd.Series, theirs: pd.Series, *, numbers: bool) -> float:
    """The p-value of samples of one distribution lying as far apart."""
    ours, theirs = ours.dropna(), theirs.dropna()
    if numbers:
        return float(stats.ks_2samp(ours, theirs).pvalue)
    counts = pd.DataFrame({"ours": ours.value_counts(), "theirs": theirs.value_counts()}).fillna(0)
    return float(stats.chi2_contingency(counts.to_numpy()).pvalue) if len(counts) > 1 else 1.0


def _missing(column: str, ours: pd.Series, theirs: pd.Series) -> ColumnDrift:
    """The shares of missing values, tested as two proportions."""
    score = abs(float(ours.mean()) - float(theirs.mean()))
    pooled = float(ours.sum() + theirs.sum()) / (len(ours) + len(theirs))
    noise = math.sqrt(pooled * (1 - pooled) * (1 / len(ours) + 1 / len(theirs)))
    return ColumnDrift(
        column=column,
        method="difference of missing share",
        score=score,
        threshold=MISSING_THRESHOLD,
        drifted=False,
        chance=float(2 * stats.norm.sf(score / noise)) if noise else 1.0,
    )


def _judged(columns: list[ColumnDrift]) -> list[ColumnDrift]:
    """Which of them drifted, the chances corrected for how many columns there are."""
    corrected = [min(1.0, one.chance * len(columns)) for one in columns]
    return [
        one.model_copy(update={"chance": chance, "drifted": one.score >= one.threshold and chance < CHANCE})
        for one, chance in zip(columns, corrected, strict=True)
    ]
