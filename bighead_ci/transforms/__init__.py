"""The ML library: estimators become artifacts that are data, artifacts score, scores are measured."""
