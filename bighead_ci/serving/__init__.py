"""A variant's process: BentoML around a verified artifact."""
