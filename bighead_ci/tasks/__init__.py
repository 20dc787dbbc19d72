"""What kind of answer a model gives. One module a task; `registry` lists them, and nobody else tells tasks apart.

A task owns what depends on the kind of answer: which labels it takes, what an estimator must give, metrics and their
orientation, charts, the answer of one row and its schema, and the number that stands for an answer in histograms.
NumPy only: serving loads it, and so does whoever checks a definition.
"""
