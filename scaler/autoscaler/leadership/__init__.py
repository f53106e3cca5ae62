"""Which of several scalers acts: one holds a lease and leads, the others stand by. Where the lease is kept is not known here."""
