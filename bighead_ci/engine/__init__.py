"""The installed engine, seen by itself: its modules, what they import, which distributions are installed."""
