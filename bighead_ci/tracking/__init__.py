"""Keeps records, in MLflow."""
