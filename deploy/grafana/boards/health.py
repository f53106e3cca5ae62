"""*Health*: whether the machinery itself is well. Processes, store, gate, scalers, and what they lean on."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.boards.alerting import alert_bars, alert_count
from grafana.boards.frame import NAMESPACE, framed, openings, scalings
from grafana.boards.panels import (
    COUNT,
    NONE_IS_GOOD,
    ONE_IS_GOOD,
    PER_S,
    SECONDS,
    About,
    Query,
    Sheet,
    graph,
    number,
    states,
)

UID = "tidegate-health"
_YES_NO = {"0": ("no", "red"), "1": ("yes", "green")}


def dashboard(places: Mapping[str, str]) -> Dashboard:
    """Return the dashboard; `places` are the addresses of the runbook's sections."""
    text = "Whether rooms, store, gates and scalers are well: staleness, latencies, failures."
    board = framed("Health", UID, text, "3h")
    for event in (*openings(NAMESPACE), scalings(NAMESPACE)):
        board.annotation(event)
    sheet = Sheet(board, places)
    _now(sheet)
    _store(sheet)
    _rooms(sheet)
    _gate(sheet)
    _scalers(sheet)
    _sources(sheet)
    return board


def _rate(metric: str, by: str, labels: str = NAMESPACE) -> str:
    """Return how often something happens a second, as a sum over all processes."""
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', by)})"


def _now(sheet: Sheet) -> None:
    sheet.row("Now")
    sheet.add(
        About(
            "Rooms",
            "Processes of the queue that are scraped. Fewer than you run: pods that crash, or a scrape that fails.",
            ["TidegateQueueGone"],
        ),
        number(
            Query(f"count(count by (instance) (tidegate_queue_stale{{{NAMESPACE}}}))", "rooms"),
            unit=COUNT,
            steps=ONE_IS_GOOD,
        ),
    )
    sheet.add(
        About(
            "Stale",
            "Rooms whose store does not answer, counted for each process and onsale. They admit nobody; buyers keep their "
            "places.",
            ["TidegateStoreUnreachable"],
        ),
        number(Query(f"sum(tidegate_queue_stale{{{NAMESPACE}}})", "stale"), unit=COUNT, steps=NONE_IS_GOOD),
    )
    sheet.add(
        About(
            "Leading",
            "Scalers that lead. Exactly one is well; none for long: nothing is scaled, and rooms go to their fallback rate.",
            ["TidegateNoLeader"],
        ),
        number(
            Query(f"sum(tidegate_scaler_leading{{{NAMESPACE}}})", "leading"),
            unit=COUNT,
            steps=((None, "red"), (1, "green"), (2, "orange")),
        ),
    )
    sheet.add(
        About(
            "Mistakes in documents",
            "Mistakes which keep something of the scaler's documents from being in force; `tidegate scaler status` names "
            "line and column.",
            ["TidegateDocumentsRefused"],
        ),
        number(
            Query(f"max(tidegate_scaler_documents_refused{{{NAMESPACE}}})", "mistakes"),
            unit=COUNT,
            steps=NONE_IS_GOOD,
        ),
    )
    sheet.add(
        About(
            "Gates hear of ended sessions",
            "Whether every gate does. If not, passes of sessions that were revoked hold there until they expire.",
            ["TidegateGateCutOff"],
        ),
        number(
            Query(f"min(tidegate_queue_gate_feed_connected{{{NAMESPACE}}})", "all hear"),
            unit=COUNT,
            steps=ONE_IS_GOOD,
            texts=_YES_NO,
        ),
    )
    alert_count(sheet, NAMESPACE, width=4)
    alert_bars(sheet, NAMESPACE)


def _store(sheet: Sheet) -> None:
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
            Query(_rate("tidegate_queue_store_call_seconds_count", "script"), "{{script}}"),
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
        graph(Query(_rate("tidegate_queue_store_failures_total", "failure"), "{{failure}}"), unit=PER_S),
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


def _rooms(sheet: Sheet) -> None:
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
        graph(Query(_rate("tidegate_queue_requests_total", "instance"), "{{instance}}"), unit=PER_S, width=8),
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
        graph(Query(_rate("tidegate_queue_entry_refused_total", "reason"), "{{reason}}"), unit=PER_S),
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


def _gate(sheet: Sheet) -> None:
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
        graph(
            Query(_rate("tidegate_queue_gate_refusals_total", "reason"), "{{reason}}"), unit=PER_S, width=8
        ),
    )
    sheet.add(
        About(
            "Requests that the shop fails",
            "By kind. `unreachable`: no replica takes the connection; `timed_out`: it is too slow; `failed`, `broke_off`, "
            "`declined`: read the shop's own logs.",
            ["TidegateShopFails"],
        ),
        graph(
            Query(_rate("tidegate_queue_gate_upstream_errors_total", "kind"), "{{kind}}"), unit=PER_S, width=8
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
            Query(_quantile(0.5, "tidegate_queue_gate_upstream_latency_seconds"), "half of requests"),
            Query(_quantile(0.99, "tidegate_queue_gate_upstream_latency_seconds"), "99 % of requests"),
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
            Query(_rate("tidegate_queue_gate_handovers_total", "outcome"), "code {{outcome}}"),
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


def _scalers(sheet: Sheet) -> None:
    sheet.row("Scalers")
    sheet.add(
        About(
            "Who leads",
            "A bar a scaler: green while it leads. No green anywhere: the lease is out of reach.",
            ["TidegateNoLeader", "TidegateLeaseTrouble"],
        ),
        states(
            Query(f"max by (instance) (tidegate_scaler_leading{{{NAMESPACE}}})", "{{instance}}"),
            steps=((None, "blue"), (1, "green")),
            texts={"0": ("stands by", "blue"), "1": ("leads", "green")},
            width=8,
        ),
    )
    sheet.add(
        About(
            "Lease",
            "Tries to read or write the lease that failed, a second, and the leader's term (right): each change of leader "
            "counts it up. It should change with rollouts alone.",
            ["TidegateLeaseTrouble"],
        ),
        graph(
            Query(
                f"sum(rate(tidegate_scaler_lease_failures_total{{{NAMESPACE}}}[$__rate_interval]))",
                "failures",
            ),
            Query(f"max(tidegate_scaler_leader_term{{{NAMESPACE}}})", "term", "second", COUNT),
            unit=PER_S,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Time since the last good round",
            "By rule. It should stay within the rule's interval.",
            ["TidegateRuleStuck"],
        ),
        graph(
            Query(
                f"time() - max by (rule) (tidegate_scaler_last_success_timestamp_seconds{{{NAMESPACE}}})",
                "{{rule}}",
            ),
            unit=SECONDS,
            steps=((None, "green"), (300, "red")),
            width=8,
        ),
    )
    sheet.add(
        About(
            "Steps that failed",
            "Failures a second, by rule and step; the dashboard Scaling tells more of each rule.",
            ["TidegateRuleStuck", "TidegateRuleCannotScale"],
        ),
        graph(
            Query(_rate("tidegate_scaler_failures_total", "rule, step") + " > 0", "{{rule}}: {{step}}"),
            unit=PER_S,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Rules in their last good form",
            "Orange: the rule's document went bad, and what was good before is in force.",
            ["TidegateDocumentsRefused"],
        ),
        states(
            Query(f"max by (rule) (tidegate_scaler_rule_outdated{{{NAMESPACE}}})", "{{rule}}"),
            steps=((None, "green"), (1, "orange")),
            texts={"0": ("as written", "green"), "1": ("last good form", "orange")},
            width=8,
        ),
    )
    sheet.add(
        About(
            "Processes of pools",
            "Processes started, and those that ended by themselves, in each span of time. Crashes: read the pool's logs.",
        ),
        graph(
            Query(
                f"sum by (pool) (increase(tidegate_scaler_pool_starts_total{{{NAMESPACE}}}[$__rate_interval]))",
                "{{pool}}: started",
            ),
            Query(
                f"sum by (pool) (increase(tidegate_scaler_pool_crashes_total{{{NAMESPACE}}}[$__rate_interval]))",
                "{{pool}}: crashed",
            ),
            unit=COUNT,
            width=8,
        ),
    )


def _sources(sheet: Sheet) -> None:
    sheet.row("What scalers lean on")
    sheet.add(
        About(
            "Queries to Prometheus",
            "Queries a second, by whether they gave a number. `none`: empty, more than one series, or an error; "
            "`tidegate scaler status` says which.",
            ["TidegateSignalMissing"],
        ),
        graph(
            Query(_rate("tidegate_scaler_prometheus_queries_total", "outcome"), "{{outcome}}"),
            unit=PER_S,
            width=6,
        ),
    )
    sheet.add(
        About(
            "Time of queries",
            "Further attempts included. Near to the rule's interval signals go missing: simplify the query, or record it.",
        ),
        graph(
            Query(_quantile(0.5, "tidegate_scaler_prometheus_query_duration_seconds"), "half of queries"),
            Query(_quantile(0.99, "tidegate_scaler_prometheus_query_duration_seconds"), "99 % of queries"),
            unit=SECONDS,
            width=6,
        ),
    )
    sheet.add(
        About(
            "Requests to the API server",
            "Requests a second by the code of the answer. 401, 403: credentials or rights are missing; 409 now and then is well; "
            "`none`: no answer came.",
            ["TidegateApiServerRefuses"],
        ),
        graph(
            Query(_rate("tidegate_scaler_kubernetes_request_duration_seconds_count", "code"), "{{code}}"),
            Query(
                f"sum by (what) (rate(tidegate_scaler_watch_interruptions_total{{{NAMESPACE}}}[$__rate_interval]))",
                "watch of {{what}} broken off",
            ),
            unit=PER_S,
            width=6,
        ),
    )
    sheet.add(
        About(
            "Time of the API server's answers",
            "Of a hundred requests the slowest but one, by verb. Slow for long: the leader may lose its lease.",
            ["TidegateLeaseTrouble"],
        ),
        graph(
            Query(
                _quantile(0.99, "tidegate_scaler_kubernetes_request_duration_seconds", "verb, le"), "{{verb}}"
            ),
            unit=SECONDS,
            width=6,
        ),
    )
