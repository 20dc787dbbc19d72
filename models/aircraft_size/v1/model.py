"""The size of an aircraft from free text: a transformer of our own, TF-IDF of letters, a linear classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.transformer import RegistryText
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline


def build(parameters: Mapping[str, Any]) -> Pipeline:
    """The untrained pipeline. Groups of letters, for a designation is no word: 737-7H4 and 737-824 share `737`."""
    return Pipeline(
        [
            ("text", RegistryText(manufacturer="manufacturer", designation="designation")),
            ("letters", TfidfVectorizer(analyzer="char_wb", ngram_range=(1, parameters["longest_ngram"]))),
            ("classifier", LogisticRegression(C=parameters["strength"], max_iter=500)),
        ]
    )
