"""The store: the one place where the room's counters live and change, each change one atomic script."""
