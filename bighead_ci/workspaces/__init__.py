"""A workspace on this machine: where it keeps what is not in git, how it is found, made and ended, and its runner."""
