"""The rows of *Health* about the queue: its store, its rooms and its gates."""

from __future__ import annotations

from grafana.boards.frame import NAMESPACE
from grafana.boards.panels import COUNT, NONE_IS_GOOD, PER_S, SECONDS, About, Query, Sheet, graph, states
from grafana.boards.wellbeing import quantile, rate


def store_row(sheet: Sheet) -> None:
    """Add the row of the store."""
    sheet.row("The store")
    sheet.add(
        About(
            "Time of calls, the slowest of a hundred",
            "By script. Above 100 ms joins feel it. All of them slow: the server, its disk or the network; one of them: "
            "report it.",
            ["TidegateStoreSlow"],
        ),
        graph(
            Query(
                f"max by (script) (script:tidegate_queue_store_call_seconds:p99_5m{{{NAMESPACE}}})",
                "{{script}}",
            ),
            unit=SECONDS,
            steps=((None, "green"), (0.1, "red")),
        ),
    )
    sheet.add(
        About(
            "Calls",
            "Calls a second by script. They grow with the processes and with joins, not with the buyers who wait.",
        ),
        graph(
            Query(rate("tidegate_queue_store_call_seconds_count", "script"), "{{script}}"),
            unit=PER_S,
            stacked=True,
        ),
    )
    sheet.add(
        About(
            "Calls that failed",
            "`unreachable` is the network or the server, `refused` a server which answers and does not do it: memory, rights, "
            "too few replicas.",
            ["TidegateStoreUnreachable"],
        ),
        graph(Query(rate("tidegate_queue_store_failures_total", "failure"), "{{failure}}"), unit=PER_S),
    )
    sheet.add(
        About(
            "Age of the copies",
            "How old the counters of each process were when it was scraped, by the store's clock. One that grows: that process "
            "has lost the store. All of them by the same: a clock is off.",
            ["TidegateStoreUnreachable"],
        ),
        graph(
            Query(
                f"max by (instance) (timestamp(tidegate_queue_copy_timestamp_seconds{{{NAMESPACE}}}) - "
                f"tidegate_queue_copy_timestamp_seconds{{{NAMESPACE}}})",
                "{{instance}}",
            ),
            unit=SECONDS,
            steps=((None, "green"), (2, "red")),
            least=None,
        ),
    )


def rooms_row(sheet: Sheet) -> None:
    """Add the row of the rooms."""
    sheet.row("Rooms")
    sheet.add(
        About(
            "Stale rooms",
            "A bar for each process and onsale: red while its store does not answer. One process: delete the pod. All: the "
            "store.",
            ["TidegateStoreUnreachable"],
        ),
        states(
            Query(
                f"max by (instance, onsale) (tidegate_queue_stale{{{NAMESPACE}}})", "{{instance}} {{onsale}}"
            ),
            steps=NONE_IS_GOOD,
            texts={"0": ("fresh", "green"), "1": ("stale", "red")},
            width=8,
        ),
    )
    sheet.add(
        About(
            "Questions by process",
            "Questions of buyers a second. One process with far more than the others: the proxy does not spread them.",
        ),
        graph(Query(rate("tidegate_queue_requests_total", "instance"), "{{instance}}"), unit=PER_S, width=8),
    )
    sheet.add(
        About(
            "Streams by process",
            "Open streams of events. They should be spread like the questions; after a rollout they come back within seconds.",
        ),
        graph(
            Query(f"sum by (instance) (tidegate_queue_listeners{{{NAMESPACE}}})", "{{instance}}"),
            unit=COUNT,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Entry tokens refused",
            "For onsales by token: tokens that did not count, a second, by reason. `expired`: links are too old, or clocks off; "
            "`signature`, `unknown_key`: the shop signs with a key that it does not publish.",
        ),
        graph(Query(rate("tidegate_queue_entry_refused_total", "reason"), "{{reason}}"), unit=PER_S),
    )
    sheet.add(
        About(
            "Draws",
            "1 once the record of an onsale's draw is public. Still 0 after the opening: nobody is released before it is.",
            ["TidegateDrawNotPublished"],
        ),
        states(
            Query(f"max by (onsale) (tidegate_queue_draw_published{{{NAMESPACE}}})", "{{onsale}}"),
            steps=((None, "blue"), (1, "green")),
            texts={"0": ("not yet", "blue"), "1": ("public", "green")},
        ),
    )


def gate_row(sheet: Sheet) -> None:
    """Add the row of the gate."""
    sheet.row("Gates")
    sheet.add(
        About(
            "Checks",
            "Requests judged a second, by the kind of gate and what became of them. All `free`: nothing protects the shop, see "
            "`protect` and the hours of the onsale.",
        ),
        graph(
            Query(
                f"sum by (gate, outcome) (gate_outcome:tidegate_queue_gate_checks:rate1m{{{NAMESPACE}}})",
                "{{gate}}: {{outcome}}",
            ),
            unit=PER_S,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Refused, and why",
            "Requests refused a second, by reason. `untrusted`: a proxy which is not named by `--trusted-proxy`; `host`: a name "
            "that no onsale protects; the others are what attackers send.",
        ),
        graph(Query(rate("tidegate_queue_gate_refusals_total", "reason"), "{{reason}}"), unit=PER_S, width=8),
    )
    sheet.add(
        About(
            "Requests that the shop fails",
            "By kind. `unreachable`: no replica takes the connection; `timed_out`: it is too slow; `failed`, `broke_off`, "
            "`declined`: read the shop's own logs.",
            ["TidegateShopFails"],
        ),
        graph(
            Query(rate("tidegate_queue_gate_upstream_errors_total", "kind"), "{{kind}}"), unit=PER_S, width=8
        ),
    )
    sheet.add(
        About(
            "Time of the shop's answers",
            "Time until the head of an answer, through the reverse proxy. Rising: the shop gets more than it can take; lower the "
            "rate, or see whether its replicas get ready.",
            ["TidegateShopSlow"],
        ),
        graph(
            Query(quantile(0.5, "tidegate_queue_gate_upstream_latency_seconds"), "half of requests"),
            Query(quantile(0.99, "tidegate_queue_gate_upstream_latency_seconds"), "99 % of requests"),
            unit=SECONDS,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Passes renewed, buyers handed over",
            "Passes renewed a second, and codes of buyers from another domain by what became of them. `unknown`: codes that came "
            "late or twice.",
        ),
        graph(
            Query(
                f"sum(rate(tidegate_queue_gate_renewals_total{{{NAMESPACE}}}[$__rate_interval]))", "renewed"
            ),
            Query(rate("tidegate_queue_gate_handovers_total", "outcome"), "code {{outcome}}"),
            unit=PER_S,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Connections",
            "WebSockets through the gate, and processes of shops which follow the feed of ended sessions here. Fewer followers "
            "than your shop has processes: those are cut off.",
            ["TidegateGateCutOff"],
        ),
        graph(
            Query(f"sum(tidegate_queue_gate_websockets{{{NAMESPACE}}})", "WebSockets"),
            Query(f"sum(tidegate_queue_gate_feed_listeners{{{NAMESPACE}}})", "followers of the feed"),
            unit=COUNT,
            width=8,
        ),
    )
