"""Shapley values by their definition: every coalition of inputs, whose worth is found by descending every tree."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations
from math import factorial, isnan

import numpy as np
import numpy.typing as npt

from bighead_ci.transforms.forest import Forest, Tree

Floats = npt.NDArray[np.float64]


def shapley_values(forest: Forest, row: Floats, owners: Sequence[int], inputs: int) -> Floats:
    """(raw, inputs) values of a row of numbers; `owners` says of which input each number is."""
    worth = {
        frozenset(known): _worth(forest, row, owners, frozenset(known))
        for size in range(inputs + 1)
        for known in combinations(range(inputs), size)
    }
    found = np.zeros((len(forest.base), inputs))
    for one in range(inputs):
        for known, value in worth.items():
            if one not in known:
                weight = factorial(len(known)) * factorial(inputs - len(known) - 1) / factorial(inputs)
                found[:, one] += weight * (worth[known | {one}] - value)
    return found


def _worth(forest: Forest, row: Floats, owners: Sequence[int], known: AbstractSet[int]) -> Floats:
    total = np.array(forest.base, dtype=np.float64)
    for tree in forest.trees:
        leaf = _expected(tree, 0, row, owners, known)
        if len(leaf) == 1:
            total[tree.output] += leaf[0]
        else:
            total += leaf
    return total


def _expected(tree: Tree, node: int, row: Floats, owners: Sequence[int], known: AbstractSet[int]) -> Floats:
    left, right = int(tree.left[node]), int(tree.right[node])
    if left < 0:
        return np.asarray(tree.leaf[node])
    if owners[int(tree.feature[node])] in known:
        return _expected(tree, left if _goes_left(tree, node, row) else right, row, owners, known)
    both = tree.cover[left] + tree.cover[right]
    share = tree.cover[left] / both if both > 0 else 0.5
    lower, upper = (_expected(tree, child, row, owners, known) for child in (left, right))
    return np.asarray(share * lower + (1 - share) * upper)


def _goes_left(tree: Tree, node: int, row: Floats) -> bool:
    value = float(row[tree.feature[node]])
    if isnan(value):
        return bool(tree.missing_left[node])
    for split in tree.splits:
        if split.node == node:
            return int(value) in split.left if value < split.size else split.other_left
    return value <= float(tree.threshold[node])
