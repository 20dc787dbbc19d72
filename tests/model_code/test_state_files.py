"""A state holds no pickled objects, whatever its files are called and however they are packed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path

import joblib  # type: ignore[import-untyped] # publishes no types
import numpy as np
import pytest
import torch

from bighead_ci.model_code.state_files import pickled


def saved(write: object) -> bytes:
    """What a library writes into a file."""
    buffer = io.BytesIO()
    write(buffer)  # type: ignore[operator]
    return buffer.getvalue()


def zipped(**members: bytes) -> bytes:
    """An archive of these."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


OBJECT = {"weights": [1.0, 2.0], "name": Path("x")}
PICKLES = {
    **{f"protocol {protocol}": pickle.dumps(OBJECT, protocol) for protocol in range(6)},
    "joblib": saved(lambda file: joblib.dump(OBJECT, file)),
    "joblib, packed": saved(lambda file: joblib.dump(OBJECT, file, compress=("zlib", 3))),
    "gzip": gzip.compress(pickle.dumps(OBJECT)),
    "bz2": bz2.compress(pickle.dumps(OBJECT)),
    "zlib": zlib.compress(pickle.dumps(OBJECT)),
    "torch.save": saved(lambda file: torch.save({"w": torch.zeros(2)}, file)),
    "objects of NumPy": saved(lambda file: np.save(file, np.array([{}, None]), allow_pickle=True)),
    "npz with objects": saved(lambda file: np.savez(file, a=np.zeros(3), b=np.array([{}, None]))),
    "archive in an archive": zipped(inner=zipped(model=pickle.dumps(OBJECT))),
    "torn archive": zipped(model=b"x" * 100)[:-30],
}
DATA = {
    "JSON": json.dumps({"a": [1, 2.5, None, "x."]}).encode(),
    "a sentence": b"It ends with a full stop.",
    "npz": saved(lambda file: np.savez_compressed(file, a=np.zeros(3), names=np.array(["x", "y"]))),
    "safetensors": (16).to_bytes(8, "little") + b'{"a":{"x":[0]}}   ' + bytes(32),
    "nothing": b"",
    "a number": b"1.",
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("kind", PICKLES)
def test_pickled_objects_are_found_by_content(tmp_path: Path, kind: str) -> None:
    """The file is named, and what to write instead."""
    (tmp_path / "weights.json").write_bytes(PICKLES[kind])
    (problem,) = pickled(tmp_path, "state")
    assert problem.file == "state/weights.json"
    assert "safetensors" in str(problem)


@pytest.mark.parametrize("kind", DATA)
def test_data_is_let_through(tmp_path: Path, kind: str) -> None:
    """Whatever it is called."""
    (tmp_path / "weights.pkl").write_bytes(DATA[kind])
    assert pickled(tmp_path, "state") == []
