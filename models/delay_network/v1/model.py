"""A torch network that trains itself, on a GPU where there is one, and is served as ONNX, without torch.

`train` gets the rows and returns a `Model`. Its `to_onnx` says what serves; `save` and `load` keep the weights for
whoever wants the network itself to answer (`serving: {kind: python}`, with torch in serving.lock as well).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

FARTHEST = 10.0
"""Standard deviations; what lies beyond counts as that far, so that no number a caller sends is too large."""
SETTINGS, WEIGHTS = "network.json", "weights.npz"


class Network(nn.Module):
    """Standardises its columns, tells missing values apart, and gives the probabilities of both classes.

    All of that is inside, so that one graph has everything between a caller's numbers and the answer.
    """

    def __init__(self, columns: int, hidden: int) -> None:
        """Fresh weights."""
        super().__init__()
        self.settings = {"columns": columns, "hidden": hidden}
        self.register_buffer("mean", torch.zeros(columns, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(columns, dtype=torch.float64))
        self.layers = nn.Sequential(
            nn.Linear(2 * columns, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def standardise_by(self, rows: torch.Tensor) -> None:
        """Take mean and scale from the training rows, without their missing values."""
        known = ~torch.isnan(rows)
        count = known.sum(dim=0).clamp(min=1)
        self.mean = torch.nansum(rows, dim=0) / count
        spread = torch.where(known, rows - self.mean, 0.0).square().sum(dim=0) / count
        self.scale = spread.sqrt().clamp(min=1e-6)

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """Of being late: (rows,), of float64 columns in which NaN is missing."""
        missing = torch.isnan(rows)
        standard = torch.clamp((rows - self.mean) / self.scale, -FARTHEST, FARTHEST)
        seen = torch.where(missing, 0.0, standard)
        found: torch.Tensor = self.layers(torch.cat([seen, missing.double()], dim=1).float())
        return found[:, 0]

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        """Probabilities (rows, 2) of columns (rows, 1), as a graph gets them."""
        late = torch.sigmoid(self.logits(torch.cat(columns, dim=1)).double())
        return torch.stack([1.0 - late, late], dim=1)


class Model:
    """A trained network behind the method that the task asks for."""

    def __init__(self, network: Network) -> None:
        """Take the network to the processor: what answers has no GPU."""
        self.network = network.cpu().eval()

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Probabilities, shape (rows, 2)."""
        with torch.inference_mode():
            scores: npt.NDArray[np.float64] = self.network(*torch.split(matrix(frame), 1, dim=1)).numpy()
        return scores

    def to_onnx(self, inputs: Sequence[Any]) -> bytes:
        """The graph that serves: `input_0`, `input_1`, … in the order of the inputs, and `probabilities`."""
        rows = torch.export.Dim("rows")
        program = torch.onnx.export(
            self.network,
            tuple(torch.zeros(2, 1, dtype=torch.float64) for _ in inputs),
            input_names=[f"input_{index}" for index in range(len(inputs))],
            output_names=["probabilities"],
            dynamic_shapes={"columns": tuple({0: rows} for _ in inputs)},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        graph: bytes = program.model_proto.SerializeToString()
        return graph

    def save(self, directory: Path) -> None:
        """Weights as npz, which holds numbers and nothing that runs; safetensors would do as well."""
        np.savez(directory / WEIGHTS, **{name: value.numpy() for name, value in self.network.state_dict().items()})
        (directory / SETTINGS).write_text(json.dumps(self.network.settings), encoding="utf-8")


def train(data: Any, parameters: Mapping[str, Any]) -> Model:
    """Fit until the validation rows have had no gain for `patience` epochs, and keep the best weights."""
    torch.manual_seed(data.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows, late = matrix(data.frame).to(device), labels(data).to(device)
    checked, truth = matrix(data.validation.frame).to(device), labels(data.validation).to(device)
    network = Network(rows.shape[1], parameters["hidden"]).to(device)
    network.standardise_by(rows)
    optimiser = torch.optim.AdamW(network.parameters(), lr=parameters["learning_rate"])
    loss = nn.BCEWithLogitsLoss()
    best, kept, without_gain = float("inf"), network.state_dict(), 0
    for epoch in range(parameters["most_epochs"]):
        network.train()
        for batch in torch.split(torch.randperm(len(rows), device=device), parameters["batch_rows"]):
            optimiser.zero_grad()
            loss(network.logits(rows[batch]), late[batch]).backward()
            optimiser.step()
        network.eval()
        with torch.inference_mode():
            found = float(loss(network.logits(checked), truth))
        print(f"epoch {epoch}: validation loss {found:.4f}")  # noqa: T201 - what a stage prints is in its log
        if found < best:
            best, kept, without_gain = found, copy.deepcopy(network.state_dict()), 0
        elif (without_gain := without_gain + 1) >= parameters["patience"]:
            break
    network.load_state_dict(kept)
    return Model(network)


def load(directory: Path) -> Model:
    """What `save` left."""
    network = Network(**json.loads((directory / SETTINGS).read_text(encoding="utf-8")))
    with np.load(directory / WEIGHTS, allow_pickle=False) as weights:
        network.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights.files})
    return Model(network)


def matrix(frame: pd.DataFrame) -> torch.Tensor:
    """The frame's columns side by side; a missing value is NaN."""
    return torch.from_numpy(frame.to_numpy(np.float64))


def labels(rows: Any) -> torch.Tensor:
    """1 for a late flight."""
    return torch.from_numpy(np.asarray(rows.label, np.float32))
