"""What the scaler reads from the store and writes there: the room's figures, admission targets, the lease, memories, shelves.

Each is written by one module through one script; `target_writer` is the only one that writes admission targets.
"""
