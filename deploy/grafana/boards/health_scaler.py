"""The rows of *Health* about the scalers, and what they read and write."""

from __future__ import annotations

from grafana.boards.frame import NAMESPACE
from grafana.boards.panels import COUNT, PER_S, SECONDS, About, Query, Sheet, graph, states
from grafana.boards.wellbeing import quantile, rate


def scalers_row(sheet: Sheet) -> None:
    """Add the row of the scalers."""
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
            Query(rate("tidegate_scaler_failures_total", "rule, step") + " > 0", "{{rule}}: {{step}}"),
            unit=PER_S,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Rules in their last good form",
            "Orange: the rule's document went bad, and what was good before is in force. Red: its target could not be opened.",
            ["TidegateDocumentsRefused", "TidegateRuleNotStarted"],
        ),
        states(
            Query(
                f"max by (rule) (tidegate_scaler_rule_outdated{{{NAMESPACE}}})"
                f" + 2 * max by (rule) (tidegate_scaler_rule_not_started{{{NAMESPACE}}})",
                "{{rule}}",
            ),
            steps=((None, "green"), (1, "orange"), (2, "red")),
            texts={
                "0": ("as written", "green"),
                "1": ("last good form", "orange"),
                "2": ("not started", "red"),
                "3": ("not started", "red"),
            },
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


def sources_row(sheet: Sheet) -> None:
    """Add the row of the sources."""
    sheet.row("What scalers lean on")
    sheet.add(
        About(
            "Queries to Prometheus",
            "Queries a second, by whether they gave a number. `none`: empty, more than one series, or an error; "
            "`tidegate scaler status` says which.",
            ["TidegateSignalMissing"],
        ),
        graph(
            Query(rate("tidegate_scaler_prometheus_queries_total", "outcome"), "{{outcome}}"),
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
            Query(quantile(0.5, "tidegate_scaler_prometheus_query_duration_seconds"), "half of queries"),
            Query(quantile(0.99, "tidegate_scaler_prometheus_query_duration_seconds"), "99 % of queries"),
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
            Query(rate("tidegate_scaler_kubernetes_request_duration_seconds_count", "code"), "{{code}}"),
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
                quantile(0.99, "tidegate_scaler_kubernetes_request_duration_seconds", "verb, le"), "{{verb}}"
            ),
            unit=SECONDS,
            width=6,
        ),
    )
