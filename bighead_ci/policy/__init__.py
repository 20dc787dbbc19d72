"""Gates: evidence in, verdict out. Pure, and failing closed."""
