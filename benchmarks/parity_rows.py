"""Rows of `benchmarks.parity`: those that models are trained and judged on, and those held out from the judgement.

What is held out is made otherwise than `transforms.adversarial` makes its own: several inputs at a time take odd
values, and rows on both sides of jumps of the score are sought along lines between two rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.transforms.columns import Columns

Floats = npt.NDArray[np.float64]
KINDS = list("abcdefg")
INPUTS = {
    item.name: item
    for item in (
        ArtifactInput(name="carrier", type="string"),
        ArtifactInput(name="kind", type="string", categories=KINDS),
        ArtifactInput(name="id", type="int64"),
        ArtifactInput(name="serial", type="int64"),
        ArtifactInput(name="n", type="int64"),
        ArtifactInput(name="x", type="float64"),
        ArtifactInput(name="y", type="float64"),
    )
}
_CARRIERS = np.array(["AA", "UA", "", "DL", "ZZ"], dtype=object)
_TEXTS = ("", "AA ", "aa", "ua", "Ünter\u00a0Ö", "zz\n", "None", "nan", "0", "a", "e", "h")
_EXTREMES = (
    0.0, -0.0, 5e-324, 1e-310, -1e-40, 1e-35, 1e-7, 0.1, -1.0, 16_777_217.0, 33_554_433.0, 1e10 + 0.1, -3.4e38, 3.5e38,
    -1e39, 1e80, -1e154, 1e200, 1e308, -1.7e308,
)  # fmt: skip
LINES, STEPS = 150, 60
"""Pairs of rows between which a jump is sought, and halvings."""


def random_rows(count: int, names: Sequence[str], seed: int, *, nulls: bool) -> Columns:
    """Rows with rare categories, numbers of all sizes and, if asked, missing ones."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=count)
    n: npt.NDArray[Any] = generator.integers(0, 8, count)
    if nulls:
        x[generator.random(count) < 0.2] = np.nan
        n = np.where(generator.random(count) < 0.1, np.nan, n)
    made: Columns = {
        "carrier": generator.choice(_CARRIERS, count, p=[0.5, 0.25, 0.15, 0.08, 0.02]),
        "kind": generator.choice(np.array([*KINDS[:-1], "other"], dtype=object), count),
        "id": generator.integers(0, 2**40, count),
        "serial": generator.integers(2**53, 2**62, count),
        "n": n,
        "x": x,
        "y": generator.normal(size=count) * 1e4,
    }
    return {name: made[name] for name in names}


def truth(columns: Columns) -> Floats:
    """A number that depends a little on every input there is."""
    found = np.zeros(len(next(iter(columns.values()))))
    for name, values in columns.items():
        if INPUTS[name].type == "string":
            found += np.isin(values, ["AA", "a", "c", "e", "ZZ"])
        else:
            numbers = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=5.0)
            spread = numbers.std() or 1.0
            found += (numbers - numbers.mean()) / spread
    return found


def held_out(names: Sequence[str], scores: Callable[[Columns], Floats], seed: int, *, nulls: bool) -> list[Columns]:
    """Batches of rows; a column's type is one for the batch, so those with missing numbers are apart."""
    inputs = [INPUTS[name] for name in names]
    plain = random_rows(400, names, seed, nulls=False)
    holed = random_rows(400, names, seed + 1, nulls=True)
    generator = np.random.default_rng(seed + 2)
    batches = [
        plain,
        _mutated(plain, inputs, generator, missing=False),
        _mutated(holed, inputs, generator, missing=True),
    ]
    if nulls:
        batches.append(holed)
    if any(item.type != "string" for item in inputs):
        batches.append(_beside_jumps(random_rows(LINES, names, seed + 3, nulls=False), inputs, scores, generator))
    return batches


def _mutated(
    rows: Columns, inputs: Sequence[ArtifactInput], generator: np.random.Generator, *, missing: bool
) -> Columns:
    """One to three inputs of each row take an odd value."""
    count = len(next(iter(rows.values())))
    changed = np.zeros((count, len(inputs)), dtype=np.bool_)
    for row in changed:
        row[generator.choice(len(inputs), min(len(inputs), int(generator.integers(1, 4))), replace=False)] = True
    found = {}
    for place, item in enumerate(inputs):
        values = rows[item.name].copy()
        if missing and item.type != "string":
            values = _no_larger(values)
        at = np.flatnonzero(changed[:, place])
        values[at] = _odd(item, values, len(at), generator, missing=missing)
        found[item.name] = values
    return found


def _no_larger(values: npt.NDArray[Any]) -> Floats:
    """As float64, which missing numbers make of whole ones: none beyond what it holds."""
    return np.asarray(np.where(np.abs(values) > 2**53, 2.0**53, values), dtype=np.float64)


def _odd(
    item: ArtifactInput, values: npt.NDArray[Any], count: int, generator: np.random.Generator, *, missing: bool
) -> npt.NDArray[Any]:
    if item.type == "string":
        return generator.choice(np.array(_TEXTS, dtype=object), count)
    if values.dtype.kind == "i":
        large = generator.integers(-(2**63), 2**63 - 1, count)
        return np.where(generator.random(count) < 0.5, large >> generator.integers(1, 63, count), large)
    if item.type == "int64":
        whole = np.floor(generator.uniform(-1, 1, count) * 2.0 ** generator.integers(1, 53, count))
        return np.where(generator.random(count) < 0.3, np.nan, whole)
    pool = [*_EXTREMES, *generator.choice(values[np.isfinite(values)], 10).astype(np.float32).tolist()]
    odd = generator.choice(np.array([*pool, np.inf, -np.inf]), count)
    return np.where(generator.random(count) < 0.3, np.nan, odd) if missing else odd


def _beside_jumps(
    rows: Columns, inputs: Sequence[ArtifactInput], scores: Callable[[Columns], Floats], generator: np.random.Generator
) -> Columns:
    """Rows on both sides of a change of the score along the line between two rows, a float's last digit apart."""
    count = len(next(iter(rows.values())))
    others = {name: values[generator.permutation(count)] for name, values in rows.items()}

    def between(share: Floats) -> Columns:
        return {item.name: _between(item, rows[item.name], others[item.name], share) for item in inputs}

    low, high = np.zeros(count), np.ones(count)
    first = scores(between(low))
    for _ in range(STEPS):
        middle = (low + high) / 2
        same = (np.abs(scores(between(middle)) - first) < 1e-4).all(axis=1)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    sides = [between(low), between(high)]
    return {name: np.concatenate([side[name] for side in sides]) for name in rows}


def _between(item: ArtifactInput, here: npt.NDArray[Any], there: npt.NDArray[Any], share: Floats) -> npt.NDArray[Any]:
    if item.type == "string":
        return here
    moved: Floats = here + share * (np.asarray(there, dtype=np.float64) - here)
    return np.rint(moved).astype(np.int64) if here.dtype.kind == "i" else moved
