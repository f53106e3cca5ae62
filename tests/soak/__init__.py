"""Hours of a sale in minutes: whether what serves it grows while it serves."""
