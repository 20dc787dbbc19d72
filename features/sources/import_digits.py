"""Turn scikit-learn's bundled handwritten digits into `digits.parquet`: one row an image, 64 grey values 0 to 16."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

HERE = Path(__file__).resolve().parent


def digits() -> pa.Table:
    """Images row by row, with the digit each shows."""
    images, labels = load_digits(return_X_y=True)
    return pa.table(
        {
            "image_id": pa.array(range(len(labels)), pa.int64()),
            "pixels": pa.array(images.tolist(), pa.list_(pa.float64())),
            "digit": pa.array(labels.tolist(), pa.int64()),
        }
    )


if __name__ == "__main__":
    beside = HERE / ".digits.parquet.partial"
    pq.write_table(digits(), beside, compression="zstd")
    beside.replace(HERE / "digits.parquet")
