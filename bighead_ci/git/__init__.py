"""The shared git repository, through the git command line: commits, trees, branches. Knows no pull requests."""
