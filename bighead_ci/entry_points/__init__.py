"""Where processes of their own start: a stage in a version's environment, a variant. Each composes only what it needs.

All that one of these modules imports is a component of the engine: it determines what the process leaves or answers.
"""
