"""What is shown while a run goes on: a live table, or a plain line every few seconds. It shows a Snapshot and knows no more."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tidegate.demo.limits import SLO_S


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a run; None stands for what is not known (yet). `since_opening_s` is negative before the opening."""

    since_opening_s: float
    phase: str
    page_url: str
    gate_url: str
    status_url: str
    buyers: int
    joined: int = 0
    waiting: int | None = None
    released: int | None = None
    in_shop: int = 0
    served: int = 0
    left: int = 0
    errors: int = 0
    desired: int | None = None
    ready: int | None = None
    rate_per_s: float | None = None
    rate_reason: str = ""
    p95_ms: float | None = None


def render(snapshot: Snapshot) -> Group:
    """Return the live table, the addresses to look at above it."""
    addresses = Text.assemble(
        ("waiting room ", "dim"), (snapshot.page_url, "cyan"),
        ("   shop behind the gate ", "dim"), (snapshot.gate_url, "cyan"),
        ("   scaler ", "dim"), (snapshot.status_url, "cyan"),
    )  # fmt: skip
    table = Table(
        title=f"{clock(snapshot.since_opening_s)}: {snapshot.phase}", title_justify="left", min_width=60
    )
    table.add_column()
    table.add_column(justify="right", min_width=8)
    table.add_column(ratio=1)
    table.add_row(
        "waiting", _number(snapshot.waiting), f"{snapshot.joined} of {snapshot.buyers} buyers have joined"
    )
    table.add_row("released", _number(snapshot.released), "places whose turn has come")
    table.add_row("in the shop", str(snapshot.in_shop), "")
    table.add_row("served", str(snapshot.served), f"{snapshot.left} left the line")
    table.add_row("replicas ready", _number(snapshot.ready), f"{_number(snapshot.desired)} wanted")
    table.add_row("rate", _rate(snapshot.rate_per_s), snapshot.rate_reason)
    table.add_row("checkout p95", _p95(snapshot.p95_ms), f"objective {SLO_S * 1000:.0f} ms; last 10 s")
    table.add_row("errors", str(snapshot.errors), "answers 5xx and lost connections")
    return Group(addresses, table)


def line(snapshot: Snapshot) -> str:
    """Return the same as one plain line."""
    return (
        f"{clock(snapshot.since_opening_s)}  waiting {_number(snapshot.waiting)}  released {_number(snapshot.released)}  "
        f"in shop {snapshot.in_shop}  served {snapshot.served}/{snapshot.buyers}  left {snapshot.left}  "
        f"replicas {_number(snapshot.ready)}/{_number(snapshot.desired)}  rate {_rate(snapshot.rate_per_s)} "
        f"({snapshot.rate_reason or 'no reason given'})  p95 {_p95(snapshot.p95_ms)}  errors {snapshot.errors}"
    )


def clock(since_opening_s: float) -> str:
    """Write the time since the opening: `T+83s`, or `T-5s` before it."""
    return f"T{since_opening_s:+.0f}s"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _rate(per_s: float | None) -> str:
    return "-" if per_s is None else f"{per_s:.1f}/s"


def _p95(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.0f} ms"
