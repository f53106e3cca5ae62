"""The scores of a simulation as a table for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.table import Table

from rulebook.simulation import Comparison, Contender, Mapping, Service

_ROWS: Final = (
    ("slo_violation_percent", "SLO violations, % of requests", ".4f"),
    ("replica_hours", "replica-hours", ".1f"),
    ("mean_replicas", "mean replicas", ".2f"),
    ("peak_replicas", "peak replicas", "d"),
    ("changes", "changes", "d"),
    ("longest_backlog", "longest backlog, requests", ".0f"),
    ("backlog_left", "backlog left at the end", ".0f"),
    ("theta_u_percent", "theta_U (missing), %", ".3f"),
    ("theta_o_percent", "theta_O (too much), %", ".2f"),
    ("tau_u_percent", "tau_U (time missing), %", ".3f"),
    ("tau_o_percent", "tau_O (time too much), %", ".2f"),
    ("instability_percent", "instability, %", ".2f"),
    ("elastic_speedup", "elastic speedup", ".2f"),
)


def as_json(comparison: Comparison, scale: float) -> dict[str, object]:
    """Give everything a machine may want to know of a simulation."""
    trace, service = comparison.trace, comparison.service
    return {
        "rule": comparison.rule.name,
        "trace": {
            "file": trace.name,
            "scale": scale,
            "seconds": trace.seconds,
            "requests": trace.requests,
            "peak_per_s": trace.peak_per_s,
            "peak_demand_replicas": max(comparison.needed),
        },
        "service": {
            "rate_per_s": service.rate_per_s,
            "startup_s": service.startup_s,
            "service_time_s": service.service_time_s,
            "workers": service.workers,
            "slo_s": service.slo_s,
            "quantile": service.quantile,
        },
        "signals": [asdict(mapping) for mapping in comparison.mappings],
        "scores": {
            contender.name: {"about": contender.about, **asdict(contender.scores)}
            for contender in comparison.contenders
        },
        "notes": list(comparison.notes),
    }


def show(comparison: Comparison, scale: float) -> None:
    """Print the scores for people."""
    trace, service = comparison.trace, comparison.service
    print(
        f"{trace.name} x {scale:g}: {trace.seconds / 3600:.4g} h, {trace.requests:.4g} requests, "
        f"peak {trace.peak_per_s:.4g}/s (needs {max(comparison.needed)} replicas)"
    )
    print(describe_service(service))
    for mapping in comparison.mappings:
        print(f"signal {mapping.signal}: {mapping.meaning}, {_detail(mapping)} ({mapping.why})")
    Console().print(score_table(comparison.contenders))
    for contender in comparison.contenders:
        print(f"{contender.name}: {contender.about}")
    for note in comparison.notes:
        print(f"note: {note}")


def score_table(contenders: Sequence[Contender]) -> Table:
    """Put the scores of contenders side by side."""
    table = Table()
    table.add_column("")
    for contender in contenders:
        table.add_column(contender.name, justify="right")
    for field, title, form in _ROWS:
        table.add_row(title, *(format(getattr(entry.scores, field), form) for entry in contenders))
    return table


def describe_service(service: Service) -> str:
    """Say in a line what was assumed of the service."""
    return (
        f"service: {service.rate_per_s:g}/s a replica, {service.workers} at a time; ready {service.startup_s:g} s "
        f"after the order; objective {100 * service.quantile:g} % within {service.slo_s:g} s"
    )


def _detail(mapping: Mapping) -> str:
    meaning, window_s, quantile = mapping.meaning, mapping.window_s, mapping.quantile
    if meaning == "latency":
        return f"quantile {quantile:g} over {window_s:g} s, in seconds"
    if meaning in {"requests", "utilization"}:
        return f"mean over {window_s:g} s"
    return "as it is at the moment"
