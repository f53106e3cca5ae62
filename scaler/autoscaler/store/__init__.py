"""What the scaler reads from the store, and its one write path to it: the room's figures, and admission targets."""
