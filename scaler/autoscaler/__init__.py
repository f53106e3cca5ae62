"""The scaler: reads signals, decides by the rulebook, scales targets, and tells the room what the shop can take now."""
