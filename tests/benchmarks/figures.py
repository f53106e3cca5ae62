"""What a benchmark prints: one figure a line, as JSON. The same as `tidegate bench` prints."""

from __future__ import annotations

from tidegate.bench.figures import Figure, middle, read_figures

__all__ = ["Figure", "middle", "read_figures"]
