"""A neural network behind scikit-learn's `fit` and `predict_proba`, exported to ONNX."""

from __future__ import annotations

import io
import logging
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from bighead_ci.documents.artifact import ArtifactInput
from bighead_ci.errors import InputError
from bighead_ci.scorers.onnx_graph import OUTPUT
from bighead_ci.transforms.onnx_graph import finish

OPSET = 21
"""Read by every ONNX Runtime since 1.20."""


class TorchClassifier:
    """Trains a network on numeric columns, set side by side in the order of the frame.

    It computes in float32, in training as in its graph: numbers of an input are rounded to it on entry.

    The same data, seed and settings give the same weights on the same machine: one thread, deterministic algorithms.
    """

    def __init__(
        self,
        network: Callable[[int, int], nn.Module],
        epochs: int,
        *,
        seed: int = 0,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        """Keep the settings.

        Args:
            network: Makes the untrained network from the number of inputs and of classes; it maps (rows, inputs) to
                unnormalised scores (rows, classes).
            epochs: Passes over the training rows.
            seed: Of the initial weights and the order of the rows.
            batch_size: Rows a step.
            learning_rate: Of AdamW.
            weight_decay: Of AdamW.
        """
        self.network = network
        self.epochs = epochs
        self.seed = seed
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self._fitted: nn.Module | None = None

    def fit(self, frame: pd.DataFrame, truth: npt.NDArray[np.int64]) -> Self:
        """Train from fresh weights.

        Raises:
            InputError: a column is text, or holds a missing value.
        """
        rows, labels = torch.from_numpy(_matrix(frame)), torch.from_numpy(np.asarray(truth, dtype=np.int64))
        with _deterministic(self.seed):
            network = self.network(rows.shape[1], int(labels.max()) + 1)
            optimiser = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
            loss = nn.CrossEntropyLoss()
            network.train()
            for _ in range(self.epochs):
                for batch in torch.split(torch.randperm(len(rows)), self.batch_size):
                    optimiser.zero_grad()
                    loss(network(rows[batch]), labels[batch]).backward()
                    optimiser.step()
        self._fitted = network.eval()
        return self

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Probabilities, shape (rows, classes)."""
        with torch.inference_mode():
            scores = torch.softmax(self._network()(torch.from_numpy(_matrix(frame))), dim=1)
        probabilities: npt.NDArray[np.float64] = scores.numpy().astype(np.float64)
        return probabilities

    def to_onnx(self, inputs: Sequence[ArtifactInput]) -> bytes:
        """The graph, with one named input a column.

        Raises:
            InputError: the network uses an operation that ONNX does not have.
        """
        names = [f"column_{index}" for index in range(len(inputs))]
        examples = tuple(torch.zeros(2, item.size or 1) for item in inputs)
        rows = torch.export.Dim("rows")
        try:
            with _silenced_exporter():
                program = torch.onnx.export(
                    _SideBySide(self._network()).eval(),
                    examples,
                    dynamo=True,
                    input_names=names,
                    output_names=[OUTPUT],
                    dynamic_shapes={"columns": tuple({0: rows} for _ in inputs)},
                    opset_version=OPSET,
                    external_data=False,
                    verbose=False,
                )
        except Exception as error:
            raise InputError(f"the network cannot be turned into ONNX: {str(error).strip().splitlines()[0]}") from error
        if program is None:
            raise InputError("the network cannot be turned into ONNX")
        return finish(program.model_proto, inputs, names, OUTPUT)

    def _network(self) -> nn.Module:
        if self._fitted is None:
            raise InputError("the classifier is not fitted")
        return self._fitted


class _SideBySide(nn.Module):
    """Takes a tensor a column, gives probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.network(torch.cat(columns, dim=1)), dim=1)


def _matrix(frame: pd.DataFrame) -> npt.NDArray[np.float32]:
    """The frame's columns side by side; a list column takes as many places as it is long."""
    blocks, problems = [], []
    for name in frame.columns:
        values = frame[name].to_numpy()
        try:
            block = np.stack(values.tolist()) if values.dtype == object else values[:, None]
            block = block.astype(np.float32)
        except (ValueError, TypeError):
            problems.append(f"column {name} holds no numbers")
            continue
        if np.isnan(block).any():
            problems.append(f"column {name} has missing values")
        blocks.append(block)
    if problems:
        raise InputError(f"TorchClassifier: {'; '.join(problems)}")
    return np.ascontiguousarray(np.concatenate(blocks, axis=1))


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """Same seed, same numbers; the process's own settings come back afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    random.seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(mode=deterministic)


@contextmanager
def _silenced_exporter() -> Iterator[None]:
    """The exporter prints its steps and warns of libraries that are not installed."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
