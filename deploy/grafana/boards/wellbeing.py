"""What the rows of *Health* are asked with: rates and quantiles over all processes, and yes or no."""

from __future__ import annotations

from grafana.boards.frame import NAMESPACE

YES_NO = {"0": ("no", "red"), "1": ("yes", "green")}


def rate(metric: str, by: str, labels: str = NAMESPACE) -> str:
    """Return how often something happens a second, as a sum over all processes."""
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "le") -> str:
    """Return a quantile of a histogram over all processes."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', by)})"
