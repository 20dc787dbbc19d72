"""Git repository access, and forges: where pull requests live."""
