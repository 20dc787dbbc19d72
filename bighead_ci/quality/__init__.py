"""Checks data: expectations with Great Expectations, drift with Evidently."""
