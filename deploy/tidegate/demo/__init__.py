"""The whole loop on one machine: a store, the room, the scaler, a real small shop, a crowd, a live table and a report."""
