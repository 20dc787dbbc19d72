"""Trees as libraries keep them, made into the one table that serving descends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bighead_ci.errors import InputError
from bighead_ci.scorers.links import Link

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CategorySplit:
    """A node that sends some categories left; the others, right."""

    node: int
    left: frozenset[int]
    """Categories that go left."""
    size: int
    """Categories from 0 up to here are decided by `left`."""
    other_left: bool
    """Whether greater ones go left."""
    negative_left: bool


@dataclass(frozen=True)
class Tree:
    """One tree: arrays over its nodes, the root first."""

    left: Integers
    """Left child; -1 of leaves."""
    right: Integers
    feature: Integers
    threshold: Floats
    """`x <= threshold` goes left."""
    missing_left: npt.NDArray[np.bool_]
    leaf: Floats
    """(nodes, numbers)."""
    cover: Floats
    """Training rows that each node saw, or their weights as the library counts them."""
    output: int
    """Which raw score the leaves add to, if they hold one number."""
    splits: Sequence[CategorySplit] = ()


@dataclass
class Forest:
    """An ensemble: raw scores are `base` and the sum of leaves."""

    trees: list[Tree]
    base: Floats
    link: Link
    narrow: bool
    zero_is_missing: list[int] = field(default_factory=list)

    def arrays(self, features: int) -> tuple[dict[str, npt.NDArray[Any]], int]:
        """The table, and how many steps lead from any root to any leaf."""
        if not self.trees:
            raise InputError("the ensemble has no tree")
        parts = [_Part.of(tree, features) for tree in self.trees]
        sizes = [len(part.feature) for part in parts]
        starts = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        splits = [
            (
                split,
                int(part.place[split.node] + start),
                int(tree.feature[split.node]),
                bool(tree.missing_left[split.node]),
            )
            for part, start, tree in zip(parts, starts, self.trees, strict=True)
            for split in tree.splits
        ]
        feature = np.concatenate([part.feature for part in parts])
        threshold = np.concatenate([part.threshold for part in parts])
        for number, (_, node, _, _) in enumerate(splits):
            feature[node], threshold[node] = 2 * features + number, 0.0
        sides = [_sides(split) for split, _, _, _ in splits]
        lengths = np.array([len(one) for one in sides], dtype=np.int64)
        arrays = {
            "roots": starts,
            "base": np.asarray(self.base, dtype=np.float64),
            "feature": feature,
            "threshold": threshold,
            "right": np.concatenate([part.right + start for part, start in zip(parts, starts, strict=True)]),
            "leaf": np.concatenate([part.leaf for part in parts]),
            "cover": np.concatenate([part.cover for part in parts]),
            "output": np.array([tree.output for tree in self.trees], dtype=np.int64),
            "cat_feature": np.array([column for _, _, column, _ in splits], dtype=np.int64),
            "cat_start": np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64),
            "cat_size": lengths,
            "cat_side": np.concatenate([*sides, np.zeros(1, dtype=np.int8)]),
            "cat_other": _side([split.other_left for split, _, _, _ in splits]),
            "cat_negative": _side([split.negative_left for split, _, _, _ in splits]),
            "cat_nan": _side([missing for _, _, _, missing in splits]),
        }
        return arrays, max(part.depth for part in parts)


@dataclass(frozen=True)
class _Part:
    """A tree with its nodes renumbered: children side by side, the right one first."""

    place: Integers
    feature: Integers
    threshold: Floats
    right: Integers
    leaf: Floats
    cover: Floats
    depth: int

    @classmethod
    def of(cls, tree: Tree, features: int) -> _Part:
        inner = np.flatnonzero(tree.left >= 0)
        place = np.zeros(len(tree.left), dtype=np.int64)
        place[tree.right[inner]] = 1 + 2 * np.arange(len(inner))
        place[tree.left[inner]] = 2 + 2 * np.arange(len(inner))
        right = place.copy()
        right[inner] = place[tree.right[inner]]
        used = np.where(tree.missing_left, tree.feature, tree.feature + features)
        feature = np.where(tree.left >= 0, used, 0)
        threshold = np.where(tree.left >= 0, tree.threshold, np.nan)
        order = np.argsort(place, kind="stable")
        if (place[order] != np.arange(len(place))).any():
            raise InputError("a tree has nodes that no split leads to")
        cover = np.asarray(tree.cover, dtype=np.float64)[order]
        return cls(place, feature[order], threshold[order], right[order], tree.leaf[order], cover, _depth(tree))


def _depth(tree: Tree) -> int:
    depth, level = 0, np.zeros(1, dtype=np.int64)
    while len(level := level[tree.left[level] >= 0]):
        level = np.concatenate([tree.left[level], tree.right[level]])
        depth += 1
    return depth


def _sides(split: CategorySplit) -> npt.NDArray[np.int8]:
    sides = np.ones(split.size, dtype=np.int8)
    sides[sorted(one for one in split.left if one < split.size)] = -1
    return sides


def _side(left: Sequence[bool]) -> npt.NDArray[np.int8]:
    return np.where(np.array(left, dtype=np.bool_), -1, 1).astype(np.int8)
