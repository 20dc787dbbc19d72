"""A small network that reads digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from bighead_ci.transforms.torch_estimator import TorchClassifier

DARKEST = 16.0


class Network(nn.Module):
    """Grey values scaled to [0, 1], one hidden layer."""

    def __init__(self, inputs: int, classes: int, hidden: int) -> None:
        """Fresh weights."""
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Unnormalised scores by class."""
        scores: torch.Tensor = self.layers(pixels / DARKEST)
        return scores


def build(parameters: Mapping[str, Any]) -> TorchClassifier:
    """The untrained classifier."""
    return TorchClassifier(
        lambda inputs, classes: Network(inputs, classes, parameters["hidden"]),
        epochs=parameters["epochs"],
        seed=parameters["seed"],
        learning_rate=parameters["learning_rate"],
    )
