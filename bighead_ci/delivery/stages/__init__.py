"""The stages of a model version. Each takes files and documents and leaves files and documents.

DVC and people run the same command, `bighead stage <name> models/<model>/v<N>`; `planning.stages` says what each needs.
"""
