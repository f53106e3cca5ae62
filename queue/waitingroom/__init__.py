"""The waiting room: it hands out places, releases them by token bucket, and lets released buyers through the gate."""
