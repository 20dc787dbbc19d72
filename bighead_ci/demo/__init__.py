"""Ships the example models in a scratch workspace by the same commands that people type."""
