"""Reads what owners write into the aircraft registry. Lies beside model.py and belongs to this version alone."""
