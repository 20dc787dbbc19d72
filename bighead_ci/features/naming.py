"""Names of features."""

from __future__ import annotations


def feature_name(column: str, operation: str, window: str) -> str:
    """`dep_delay_mean_7d`."""
    return f"{column}_{operation}_{window}"


def full_name(set_name: str, feature: str) -> str:
    """`carrier_delays.dep_delay_mean_7d`."""
    return f"{set_name}.{feature}"
