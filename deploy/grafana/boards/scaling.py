"""*Scaling*: one rule. What it decided, which step had the last word, which signals it goes by, and what it lets in."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.boards.frame import RULE, framed, rule_variable, scalings, signal_variable
from grafana.boards.panels import (
    BUYERS,
    COUNT,
    GRAPH_HEIGHT,
    PER_S,
    SECONDS,
    SHARE,
    About,
    Query,
    Sheet,
    graph,
    number,
    states,
)

UID = "tidegate-scaling"
_OF_SIGNALS = f'{RULE}, signal=~"$signal"'
_AGE = ((None, "green"), (60, "yellow"), (300, "red"))
_STEPS = {"max": "orange", "hold": "red", "fail": "red", "fallback": "red", "paused": "purple"}
_SLOWNESS = ((None, "red"), (0.5, "yellow"), (1, "green"))


def dashboard(places: Mapping[str, str]) -> Dashboard:
    """Return the dashboard; `places` are the addresses of the runbook's sections."""
    text = "One rule of the scaler: signals, what each asks for, what was decided and why, and what the shop gets."
    board = (
        framed("Scaling", UID, text, "1h")
        .with_variable(rule_variable())
        .with_variable(signal_variable())
        .annotation(scalings(RULE))
    )
    sheet = Sheet(board, places)
    _now(sheet)
    _decision(sheet)
    _signals(sheet)
    _crowd(sheet)
    _admission(sheet)
    _rounds(sheet)
    return board


def _of_rule(name: str) -> str:
    """Return a gauge of the rule, as the scaler that leads tells it."""
    return f"max(tidegate_scaler_{name}{{{RULE}}})"


def _now(sheet: Sheet) -> None:
    sheet.row("Now")
    sheet.add(
        About(
            "Replicas",
            "Ready, and wanted. A gap that stays: pods which are pending, pulling or crashing.",
            ["TidegateReplicasNotReady"],
        ),
        number(
            Query(_of_rule("ready_replicas"), "ready"),
            Query(_of_rule("desired_replicas"), "wanted"),
            unit=COUNT,
        ),
    )
    sheet.add(
        About(
            "Below the maximum",
            "How many replicas the document still allows. 0 for long: raise `replicas.max` if cluster and database bear it.",
            ["TidegateAtMaxReplicas"],
        ),
        number(
            Query(f"{_of_rule('max_replicas')} - {_of_rule('desired_replicas')}", "left"),
            unit=COUNT,
            steps=((None, "yellow"), (1, "green")),
        ),
    )
    sheet.add(
        About(
            "Last word",
            "The step which bound the last decision; `tidegate scaler status RULE` tells all steps with their numbers.",
        ),
        number(
            Query(f"max by (step) (tidegate_scaler_bound_by{{{RULE}}}) == 1", "{{step}}"),
            unit=COUNT,
            name=True,
            colors=_STEPS,
        ),
    )
    sheet.add(
        About(
            "Data",
            "Whether there is enough to decide by. Blind: nothing is scaled down, and up only by floors. On the fallback: it has "
            "been so for long. `tidegate scaler status RULE` says what is missing, and why.",
            ["TidegateRuleBlind", "TidegateRuleFallback"],
        ),
        number(
            Query(f"{_of_rule('blind')} + 2 * {_of_rule('fallback_active')}", "data"),
            unit=COUNT,
            steps=((None, "green"), (1, "red")),
            texts={
                "0": ("there", "green"),
                "1": ("blind", "red"),
                "2": ("on the fallback", "red"),
                "3": ("on the fallback", "red"),
            },
        ),
    )
    sheet.add(
        About(
            "Share of the full rate",
            "Below 100 % the shop is slow by the signal under `admission.slow`, or was lately. Empty for rules without it.",
            ["TidegateShopSlow"],
        ),
        number(Query(_of_rule("admission_factor"), "share"), unit=SHARE, decimals=0, steps=_SLOWNESS),
    )
    sheet.add(
        About(
            "Last good round",
            "Time since a round last ended without a failure. Growing: see which step fails, below.",
            ["TidegateRuleStuck"],
        ),
        number(
            Query(f"time() - {_of_rule('last_success_timestamp_seconds')}", "ago"),
            unit=SECONDS,
            decimals=0,
            steps=_AGE,
        ),
    )


def _decision(sheet: Sheet) -> None:
    sheet.row("What was decided, and why")
    sheet.add(
        About(
            "Replicas asked for, wanted and ready",
            "What each signal asks for, what was decided, and what is ready, between the bounds of the document. Decided below "
            "what a signal asks for: the bars beside say which step held it back.",
            ["TidegateAtMaxReplicas", "TidegateReplicasNotReady"],
        ),
        graph(
            Query(
                f"max by (signal) (tidegate_scaler_recommended_replicas{{{_OF_SIGNALS}}})",
                "{{signal}} asks for",
            ),
            Query(_of_rule("desired_replicas"), "decided"),
            Query(_of_rule("current_replicas"), "wanted of the target before"),
            Query(_of_rule("ready_replicas"), "ready"),
            Query(_of_rule("min_replicas"), "least", "dashed"),
            Query(_of_rule("max_replicas"), "most", "dashed"),
            unit=COUNT,
            width=16,
        ),
    )
    sheet.add(
        About(
            "Which step had the last word",
            "A bar for each step that bound a decision. `policies` for long while replicas are short: allow larger steps under "
            "`behavior`. `hold`: data is missing. `max`: no more are allowed.",
        ),
        states(
            Query(f"max by (step) (tidegate_scaler_bound_by{{{RULE}}})", "{{step}}"),
            colors=_STEPS,
            width=8,
        ),
    )
    sheet.add(
        About(
            "What the rule is able to do",
            "The rule's conditions with their reasons, as an HPA has them. `AbleToScale` that does not hold: the target "
            "cannot be read or written, or somebody else scales it.",
            ["TidegateRuleCannotScale"],
        ),
        states(
            Query(
                f"max by (condition, reason) (tidegate_scaler_condition{{{RULE}}})",
                "{{condition}}: {{reason}}",
            ),
            steps=((None, "orange"), (1, "blue")),
            texts={"0": ("does not hold", "orange"), "1": ("holds", "blue")},
            width=16,
        ),
    )
    sheet.add(
        About(
            "Last change",
            "Time since the replica count was last changed, by the rule (us) or by others. Others again and again: a "
            "pipeline that applies `replicas`, or another autoscaler.",
            ["TidegateOthersScale"],
        ),
        number(
            Query(
                f"time() - max by (by, direction) (tidegate_scaler_scaled_timestamp_seconds{{{RULE}}})",
                "{{direction}}, by {{by}}",
            ),
            unit=SECONDS,
            decimals=0,
            steps=((None, "blue"),),
            width=8,
            height=GRAPH_HEIGHT,
        ),
    )


def _signals(sheet: Sheet) -> None:
    sheet.row("Signals")
    sheet.add(
        About(
            "How hard each signal pulls",
            "Replicas that a signal asks for, as a share of those wanted now: above 100 % it wants more, below it fewer. The "
            "highest decides, unless the rule has a formula. One that always pulls alone may be measured wrongly.",
        ),
        graph(
            Query(
                f"max by (signal) (tidegate_scaler_recommended_replicas{{{_OF_SIGNALS}}}) / "
                f"on () group_left () max(tidegate_scaler_current_replicas{{{RULE}}})",
                "{{signal}}",
            ),
            unit=SHARE,
            steps=((None, "green"), (1, "orange")),
        ),
    )
    sheet.add(
        About(
            "Signals that are missing",
            "Rounds a second without a value, by signal. Mend the query or its source; what the rule does meanwhile its "
            "`onMissing` says.",
            ["TidegateSignalMissing"],
        ),
        graph(
            Query(
                "sum by (signal) "
                f"(rate(tidegate_scaler_signal_missing_total{{{_OF_SIGNALS}}}[$__rate_interval]))",
                "{{signal}}",
            ),
            unit=PER_S,
        ),
    )
    sheet.add(
        About(
            "Signal $signal",
            "Its value, in its own unit, and what it is compared with; for a signal by `perReplica` that is the share of one "
            "replica. A gap is a value that was missing.",
            ["TidegateSignalMissing"],
        ),
        graph(
            Query(f"max by (signal) (tidegate_scaler_signal_value{{{_OF_SIGNALS}}})", "{{signal}}"),
            Query(
                f"max by (signal) (tidegate_scaler_signal_target{{{_OF_SIGNALS}}})",
                "{{signal}}: target",
                "dashed",
            ),
            unit="short",
            width=8,
            least=None,
            repeat="signal",
        ),
    )


def _crowd(sheet: Sheet) -> None:
    sheet.row("The crowd that is coming (rules with an onsale's signal)")
    sheet.add(
        About(
            "Backlog",
            "Buyers who wait, late ones included, and who join (right). The rule goes by both: a backlog that does not shrink at "
            "the most replicas means that the shop takes less a replica than the rule says.",
            ["TidegateBacklogOverdueAtMax"],
        ),
        graph(
            Query(f"max by (signal) (tidegate_scaler_crowd_backlog{{{_OF_SIGNALS}}})", "{{signal}}: waiting"),
            Query(
                f"max by (signal) (tidegate_scaler_crowd_arrivals_per_second{{{_OF_SIGNALS}}})",
                "{{signal}}: join",
                "second",
                PER_S,
            ),
            unit=BUYERS,
        ),
    )
    sheet.add(
        About(
            "Time left to serve the backlog",
            "Until the deadline which `drainWithin` gives; below 0 it is overdue, and the rule asks for its most replicas until "
            "nobody waits. Empty while there is no backlog.",
            ["TidegateBacklogOverdueAtMax"],
        ),
        graph(
            Query(
                f"max by (signal) (tidegate_scaler_crowd_deadline_timestamp_seconds{{{_OF_SIGNALS}}}) - time()",
                "{{signal}}",
            ),
            unit=SECONDS,
            steps=((None, "red"), (0, "green")),
            least=None,
        ),
    )


def _admission(sheet: Sheet) -> None:
    sheet.row("What it lets in (rules with admission)")
    sheet.add(
        About(
            "Admission rate",
            "What the rule's target admits, by onsale. It is ready replicas times `perReadyReplica`, less while the shop is "
            "slow: 0 means that nothing is ready.",
            ["TidegateNoFreshTarget"],
        ),
        graph(
            Query(f"max by (onsale) (tidegate_scaler_admission_rate_per_second{{{RULE}}})", "{{onsale}}"),
            unit=PER_S,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Sessions that it allows",
            "Live sessions which the target allows, by onsale. Too few for ready replicas that are bored: raise "
            "`sessionsPerReadyReplica`.",
            ["TidegateAtCapacity"],
        ),
        graph(
            Query(f"max by (onsale) (tidegate_scaler_admission_capacity{{{RULE}}})", "{{onsale}}"),
            unit=BUYERS,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Share of the full rate",
            "Lowered at once while the shop is slow, raised a twentieth an interval after. Up and down for long: the "
            "bottleneck is not in the replicas, lower `perReadyReplica`.",
            ["TidegateShopSlow"],
        ),
        graph(
            Query(_of_rule("admission_factor"), "share"),
            unit=SHARE,
            most=1.0,
            steps=((None, "red"), (0.5, "green")),
            width=8,
        ),
    )


def _rounds(sheet: Sheet) -> None:
    sheet.row("Rounds and writes")
    sheet.add(
        About(
            "Changes of the count",
            "Changes by the rule, by others, and writes refused since the target had changed meanwhile (it is read again, "
            "nothing is lost). Up and down in turns: a longer `stabilizationWindowSeconds`.",
            ["TidegateOthersScale"],
        ),
        graph(
            *(
                Query(f"sum{by} (increase(tidegate_scaler_{name}_total{{{RULE}}}[$__rate_interval]))", legend)
                for name, by, legend in (
                    ("scale_writes", " by (direction)", "{{direction}}, by the rule"),
                    ("manual_scales", " by (direction)", "{{direction}}, by others"),
                    ("scale_conflicts", "", "refused"),
                )
            ),
            unit=COUNT,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Steps that failed",
            "Failures a second by step. `read target`, `scale`: the cluster; `write admission`, `keep memory`: the store; "
            "`decide` is a defect. The log and `tidegate scaler status RULE` have the words.",
            ["TidegateRuleStuck"],
        ),
        graph(
            Query(
                f"sum by (step) (rate(tidegate_scaler_failures_total{{{RULE}}}[$__rate_interval]))",
                "{{step}}",
            ),
            unit=PER_S,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Time a round takes",
            "Of a hundred rounds the slowest but one. It should stay well below the rule's interval: slow queries take most "
            "of it.",
        ),
        graph(
            Query(f"max(rule:tidegate_scaler_loop_duration_seconds:p99_5m{{{RULE}}})", "99 % of rounds"),
            unit=SECONDS,
            width=8,
        ),
    )
