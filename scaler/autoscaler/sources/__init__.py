"""Where signals are read: the replicas' own metrics pages, and the waiting room by way of the store."""
