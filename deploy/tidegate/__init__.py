"""The command line and the local stack: it wires rulebook, waitingroom and autoscaler together."""

__version__ = "0.1.0"
