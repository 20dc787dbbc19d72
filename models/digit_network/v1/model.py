"""A convolutional network by Keras that reads digits, served by TensorFlow itself.

The layers are kept as JSON and the weights as npz: data, and the same bytes of the same weights. A `.keras` file would
do as well, but for the time of day that its archive holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # of its log, errors alone
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same numbers on every processor

import keras
import tensorflow as tf

SIDE, DARKEST = 8, 16.0
LAYERS, WEIGHTS = "layers.json", "weights.npz"


class Model:
    """A trained network behind the method that the task asks for."""

    def __init__(self, network: keras.Model) -> None:
        """Take the network."""
        self.network = network

    def predict_proba(self, frame: Any) -> npt.NDArray[np.float64]:
        """Probabilities, shape (rows, 10). Called as a function: `predict` would set up a loop over batches first."""
        return np.asarray(self.network(pictures(frame), training=False), np.float64)

    def save(self, directory: Path) -> None:
        """Layers and weights apart."""
        (directory / LAYERS).write_text(self.network.to_json(), encoding="utf-8")
        np.savez(directory / WEIGHTS, *self.network.get_weights())


def train(data: Any, parameters: Mapping[str, Any]) -> Model:
    """Fit until the validation rows have had no gain for `patience` epochs, and keep the best weights."""
    keras.utils.set_random_seed(data.seed)
    tf.config.experimental.enable_op_determinism()
    network = keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 1)),
            keras.layers.Conv2D(parameters["filters"], 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(len(data.outputs), activation="softmax"),
        ]
    )
    network.compile(
        optimizer=keras.optimizers.Adam(parameters["learning_rate"]), loss="sparse_categorical_crossentropy"
    )
    network.fit(
        pictures(data.frame),
        data.label,
        validation_data=(pictures(data.validation.frame), data.validation.label),
        epochs=parameters["most_epochs"],
        batch_size=parameters["batch_rows"],
        callbacks=[keras.callbacks.EarlyStopping(patience=parameters["patience"], restore_best_weights=True)],
        verbose=2,
    )
    return Model(network)


def load(directory: Path) -> Model:
    """What `save` left. Keras makes layers of its own alone: code in the JSON is refused (`safe_mode`, its default)."""
    network = keras.models.model_from_json((directory / LAYERS).read_text(encoding="utf-8"))
    with np.load(directory / WEIGHTS, allow_pickle=False) as weights:
        network.set_weights([weights[name] for name in weights.files])
    return Model(network)


def pictures(frame: Any) -> npt.NDArray[np.float32]:
    """Grey values from 0 to 1, shape (rows, 8, 8, 1)."""
    values = np.stack(frame["pixels"].tolist()).astype(np.float32)
    return values.reshape(-1, SIDE, SIDE, 1) / DARKEST
