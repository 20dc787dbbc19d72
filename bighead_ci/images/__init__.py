"""Images of model versions."""
