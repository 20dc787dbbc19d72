"""Exact Shapley values of the inputs of an ensemble of trees, path-dependent as TreeSHAP has them (Lundberg 2018).

A set of inputs is worth what the trees give if splits on these inputs are decided by the row, and all others by how
many training rows went either way. The inputs are the players, not the columns that encoders made of them: the columns
of one input are known together or not at all.

To a set S, a leaf adds its value times the product over the inputs j of its path of `one_j` (whether the row goes this
way at all splits on j) for those in S and `zero_j` (the share of training rows that did) for the others. The Shapley
value of i is the integral over t from 0 to 1 of `(one_i - zero_i) * prod(one_j * t + zero_j * (1 - t))` over the other
inputs j (Owen 1972): a polynomial, which Gauss's quadrature integrates exactly. Nothing is subtracted that was added
before, so no digits are lost as they are where a path is unwound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.scorers.row_plan import Arrays

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

LEAVES = 1024
"""That are worked on at once: what they need stays in a processor's cache."""
_LEAST = 1e-300


@dataclass(frozen=True)
class _Entries:
    """What paths ask of inputs: one entry for each leaf and input of its path, those of a leaf side by side."""

    leaf: Integers
    """Number of the leaf, of each entry."""
    player: Integers
    zero: Floats
    starts: Integers
    """The first split of each entry."""
    node: Integers
    """Of each split."""
    left: Booleans
    """Which way the path goes there."""


class TreePaths:
    """All paths from roots to leaves."""

    def __init__(self, arrays: Arrays, columns: Integers, owners: Integers, inputs: int) -> None:
        """Follow every path.

        Args:
            arrays: The table, with the rows (or weights) that each node saw as `cover`.
            columns: Node → the number of the vector that it splits on.
            owners: Number of the vector → the input that it was made of.
            inputs: How many there are.
        """
        leaves = np.flatnonzero(arrays["right"] == np.arange(len(arrays["right"])))
        self._entries = _entries(arrays, leaves, owners[columns])
        values, outputs = arrays["leaf"][leaves], arrays["output"][_trees(arrays, leaves)]
        self._shape = (len(arrays["base"]), inputs)
        reached = np.ones(len(leaves))
        np.multiply.at(reached, self._entries.leaf, self._entries.zero)
        self.base: Floats = arrays["base"] + _summed(values * reached[:, None], outputs, len(arrays["base"]))
        self._parts = list(_parts(self._entries, values, outputs, inputs))
        self.cells = sum(part.zero.size * len(part.points) for part in self._parts)
        """Numbers that the shares of one row go through."""

    def shares(self, goes_left: Booleans) -> Floats:
        """(raw, inputs) shares of a row.

        Args:
            goes_left: Node → whether the row does.
        """
        total = np.zeros(self._shape)
        entries = self._entries
        if not len(entries.starts):
            return total
        one = np.logical_and.reduceat(goes_left[entries.node] == entries.left, entries.starts)
        for part in self._parts:
            total += part.shares(one, self._shape)
        return total


@dataclass(frozen=True)
class _Part:
    """Some leaves, with a line for each input of the longest path; where a path has fewer, lines that count nothing."""

    entries: Integers
    cells: Integers
    """Place of each entry in (lines, leaves)."""
    zero: Floats
    target: Integers
    """Place in (raw, inputs) of each cell, or the input where leaves hold a number for each raw score."""
    values: Floats
    points: Floats
    weights: Floats

    def shares(self, one: Booleans, shape: tuple[int, int]) -> Floats:
        """What these leaves add to (raw, inputs)."""
        known = np.ones_like(self.zero)
        known.ravel()[self.cells] = one[self.entries]
        others = np.zeros_like(self.zero)
        for point, weight in zip(self.points, self.weights, strict=True):
            factor = self.zero * (1.0 - point)
            factor += known * point
            # An input that no training row and not this one takes here makes all others count nothing, as 0 would.
            np.maximum(factor, _LEAST, out=factor)
            others += weight * factor.prod(axis=0) / factor
        effect = (known - self.zero) * others
        raw, inputs = shape
        if self.values.shape[1] == 1:
            weights = (effect * self.values[:, 0]).ravel()
            return _counted(self.target, weights, raw * inputs).reshape(shape)
        return np.stack([_counted(self.target, (effect * column).ravel(), inputs) for column in self.values.T])


def _trees(arrays: Arrays, nodes: Integers) -> Integers:
    found: Integers = np.searchsorted(arrays["roots"], nodes, side="right") - 1
    return found


def _summed(values: Floats, outputs: Integers, raw: int) -> Floats:
    if values.shape[1] > 1:
        return np.asarray(values.sum(axis=0))
    return _counted(outputs, values[:, 0], raw)


def _counted(places: Integers, values: Floats, size: int) -> Floats:
    return np.bincount(places, values, minlength=size).astype(np.float64, copy=False)


def _entries(arrays: Arrays, leaves: Integers, players: Integers) -> _Entries:
    """Climb from all leaves at once."""
    parent, left, share = _upward(arrays)
    numbers, at = np.arange(len(leaves)), leaves
    steps: list[tuple[Any, ...]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))]
    while len(at):
        inside = parent[at] >= 0
        numbers, below = numbers[inside], at[inside]
        at = parent[below]
        steps.append((numbers, below, at))
    leaf, child, node = (np.concatenate(part) for part in zip(*steps, strict=True))
    player = players[node]
    order = np.lexsort((player, leaf))
    leaf, child, node, player = leaf[order], child[order], node[order], player[order]
    new = np.ones(len(leaf), dtype=np.bool_)
    new[1:] = (np.diff(leaf) != 0) | (np.diff(player) != 0)
    starts = np.flatnonzero(new)
    zero = np.multiply.reduceat(share[child], starts) if len(starts) else np.empty(0)
    return _Entries(leaf[starts], player[starts], zero, starts, node, left[child])


def _upward(arrays: Arrays) -> tuple[Integers, Booleans, Floats]:
    """Each node's parent (-1: none), whether it is the left child, and the share of its parent's rows that it saw."""
    right, cover = arrays["right"], arrays["cover"]
    inner = np.flatnonzero(right != np.arange(len(right)))
    parent, left, share = np.full(len(right), -1), np.zeros(len(right), dtype=np.bool_), np.ones(len(right))
    both = cover[right[inner]] + cover[right[inner] + 1]
    for side in (0, 1):  # the right child first
        child = right[inner] + side
        parent[child], left[child] = inner, bool(side)
        with np.errstate(invalid="ignore", divide="ignore"):
            share[child] = np.where(both > 0, cover[child] / both, 0.5)
    return parent, left, share


def _parts(entries: _Entries, values: Floats, outputs: Integers, inputs: int) -> Iterator[_Part]:
    """Leaves with paths of like length together."""
    lengths = np.bincount(entries.leaf, minlength=len(values))
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    for start in range(0, len(order), LEAVES):
        chosen = order[start : start + LEAVES]
        lines = int(lengths[chosen].max())
        at, column = _places(lengths[chosen])
        found = first[chosen][column] + at
        cells = at * len(chosen) + column
        zero, player = np.ones((lines, len(chosen))), np.zeros((lines, len(chosen)), dtype=np.int64)
        zero.ravel()[cells], player.ravel()[cells] = entries.zero[found], entries.player[found]
        if values.shape[1] == 1:
            player += outputs[chosen] * inputs
        points, weights = np.polynomial.legendre.leggauss((lines + 1) // 2)
        yield _Part(found, cells, zero, player.ravel(), values[chosen], (points + 1) / 2, weights / 2)


def _places(lengths: Integers) -> tuple[Integers, Integers]:
    """Of as many entries a leaf: which of its leaf's each is, and which leaf."""
    column = np.repeat(np.arange(len(lengths)), lengths)
    return np.arange(len(column)) - np.repeat(np.cumsum(lengths) - lengths, lengths), column
