"""The compiled loops of the feature language: exact sums, picks, windows over sorted events, and mergeable states.

`sweep` answers windows over whole histories; `states` and `tiles` hold what is known of a key so that partitions,
streams and the online store can merge it. All of it counts in integers, so no order and no partitioning can change a
result; rounding to float64 happens once, in `digits`.
"""
