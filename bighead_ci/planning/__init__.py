"""What a change means: trees in, plan out. Pure: trees, commits and history are arguments."""
