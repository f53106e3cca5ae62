"""The gate: the check in front of the shop. Only who holds a pass for what an onsale protects gets through."""
