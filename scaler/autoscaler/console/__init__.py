"""The operators' console: pages which show what the scaler and the room do, and let operators act."""
