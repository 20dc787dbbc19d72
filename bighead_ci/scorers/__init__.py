"""Artifacts at run time: verified, loaded and scored by kind, with what a model's process carries and nothing else."""
