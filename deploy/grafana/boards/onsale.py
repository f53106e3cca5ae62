"""*Onsale*: what the box office looks at during a sale. One onsale; how it goes, how long it takes, and what lets buyers in."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.boards.alerting import alert_bars, alert_count
from grafana.boards.frame import NAMESPACE, ONSALE, framed, onsale_variable, openings, scalings
from grafana.boards.panels import (
    BUYERS,
    CALM,
    COUNT,
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

UID = "tidegate-onsale"
DURATION = "dtdurations"
NOW_WIDTH = 3
_FULL = ((None, "green"), (0.9, "yellow"), (0.98, "red"))
_PATIENCE = ((None, "green"), (1800, "yellow"), (3600, "red"))
_MOVES = ((None, "red"), (0.001, "green"))
_REASONS = {"fallback": "red", "hold": "orange", "operator": "purple", "document": "blue"}
_OF_THIS = 'namespace=~"$namespace", onsale=~"$onsale|"'
"""Alerts of this onsale, and those which concern all."""

_LATENCY = f"rate(tidegate_queue_gate_upstream_latency_seconds_bucket{{{NAMESPACE}}}[$__rate_interval])"
_ADMITS = f"on (rule) tidegate_scaler_admission_rate_per_second{{{ONSALE}}}"


def dashboard(places: Mapping[str, str]) -> Dashboard:
    """Return the dashboard; `places` are the addresses of the runbook's sections."""
    text = "How an onsale goes: the line, the wait, who comes in, and what the shop can take."
    board = framed("Onsale", UID, text, "1h").with_variable(onsale_variable())
    for event in (*openings(ONSALE), scalings(NAMESPACE)):
        board.annotation(event)
    sheet = Sheet(board, places)
    _now(sheet)
    _line(sheet)
    _admission(sheet)
    _shop(sheet)
    _questions(sheet)
    return board


def _shared(name: str) -> str:
    """Return what stands in the store, as every process of the room tells it."""
    return f"max(tidegate_queue_{name}{{{ONSALE}}})"


def _recorded(name: str) -> str:
    """Return what a recording rule makes of it, copies that are stale left out."""
    return f"max(onsale:tidegate_queue_{name}{{{ONSALE}}})"


def _now(sheet: Sheet) -> None:
    sheet.row("Now")
    sheet.add(
        About(
            "Doors open in",
            "Time until the opening, by the counters in the store. Empty for a room without an opening. Wrong? "
            "`tidegate onsale show NAME` tells whether the document or an operator set it.",
        ),
        number(
            Query(f"clamp_min({_shared('opens_timestamp_seconds')} - time(), 0)", "opens in"),
            unit=DURATION,
            texts={"0": ("open", "green")},
            steps=((None, "blue"),),
            width=NOW_WIDTH,
        ),
    )
    sheet.add(
        About(
            "Waiting",
            "Buyers in line now. It should fall once the doors are open; if it stands still, look at the rate beside it.",
            ["TidegateLineNotMoving"],
        ),
        number(Query(_recorded("waiting:max"), "waiting"), unit=BUYERS, width=NOW_WIDTH),
    )
    sheet.add(
        About(
            "Wait of whoever joins now",
            "The range that the page tells a buyer who joins now. Empty while none can be named: on hold, or while a draw "
            "waits for its beacon. Too long? See what sets the rate, below.",
        ),
        number(
            Query(_shared("wait_low_seconds"), "at least"),
            Query(_shared("wait_high_seconds"), "at most"),
            unit=DURATION,
            steps=_PATIENCE,
            width=NOW_WIDTH,
        ),
    )
    sheet.add(
        About(
            "Admission rate",
            "Buyers who are let in a second, as in force. 0 is a hold, or a shop of which nothing is ready.",
            ["TidegateOnHold", "TidegateNoFreshTarget"],
        ),
        number(
            Query(_recorded("rate_per_second:max"), "rate"),
            unit=PER_S,
            decimals=1,
            steps=_MOVES,
            width=NOW_WIDTH,
        ),
    )
    sheet.add(
        About(
            "Set by",
            "What sets the rate: `document` its ceiling, `target` the scaler, `operator` somebody by hand, `fallback` no fresh "
            "target of the scaler, `hold` a stop. `fallback` wants to be looked into at once.",
            ["TidegateNoFreshTarget"],
        ),
        number(
            Query(f"max by (reason) (tidegate_queue_rate_reason{{{ONSALE}}}) == 1", "{{reason}}"),
            unit=COUNT,
            width=NOW_WIDTH,
            name=True,
            colors=_REASONS,
        ),
    )
    sheet.add(
        About(
            "Room taken",
            "Sessions in the shop and places about to enter, as a share of the capacity. Full: buyers come in only as others "
            "leave. Empty where there is no bound.",
            ["TidegateAtCapacity"],
        ),
        number(
            Query(_recorded("capacity_used:ratio"), "taken"),
            unit=SHARE,
            decimals=0,
            steps=_FULL,
            width=NOW_WIDTH,
        ),
    )
    sheet.add(
        About(
            "Let in so far",
            "Places that were exchanged for a pass since the onsale began. It should grow by about the rate.",
            ["TidegateReleaseBelowRate"],
        ),
        number(Query(_shared("claimed_total"), "let in"), unit=BUYERS, width=NOW_WIDTH),
    )
    alert_count(sheet, _OF_THIS, width=NOW_WIDTH)
    alert_bars(sheet, _OF_THIS)


def _line(sheet: Sheet) -> None:
    sheet.row("The line")
    sheet.add(
        About(
            "Waiting",
            "Buyers in line, and late ones whose claim is served first. A line that grows after the opening is more than the "
            "shop can take: that is what the line is for. One that does not move has a cause below.",
            ["TidegateLineNotMoving", "TidegateDrawNotPublished"],
        ),
        graph(
            Query(_recorded("waiting:max"), "waiting"),
            Query(_shared("late"), "late, served first"),
            unit=BUYERS,
        ),
    )
    sheet.add(
        About(
            "Coming, released, inside",
            "Buyers who join, whose turn comes, and who enter, a second, beside the rate in force. Released should lie on the "
            "rate while buyers wait and there is room; entered far below released means that they cannot come in.",
            ["TidegateReleaseBelowRate", "TidegateManyNoShows"],
        ),
        graph(
            Query(_recorded("joins:rate1m"), "join"),
            Query(_recorded("released:rate1m"), "released"),
            Query(_recorded("claimed:rate1m"), "enter"),
            Query(_recorded("rate_per_second:max"), "rate in force", "dashed"),
            unit=PER_S,
        ),
    )
    sheet.add(
        About(
            "Wait that is told",
            "The range told to whoever joins at that moment. It should come down steadily; a jump is a change of the rate.",
        ),
        graph(
            Query(_shared("wait_low_seconds"), "at least"),
            Query(_shared("wait_high_seconds"), "at most"),
            unit=SECONDS,
        ),
    )
    sheet.add(
        About(
            "No-shows",
            "Share of those released who do not claim in time; their turn goes to others and their place is kept. Above half: "
            "go through the line yourself, the way into the shop may be broken.",
            ["TidegateManyNoShows"],
        ),
        graph(
            Query(f"{_recorded('no_shows:rate1m')} / ({_recorded('released:rate1m')} > 0)", "no-shows"),
            unit=SHARE,
            steps=((None, "green"), (0.5, "red")),
        ),
    )


def _admission(sheet: Sheet) -> None:
    sheet.row("What lets buyers in")
    sheet.add(
        About(
            "What sets the rate",
            "One bar for each thing that set the rate. In a good sale with a scaler it is `target` all along. `fallback`: the "
            "scaler is silent. `hold`, `operator`: somebody did that, and the audit log says who.",
            ["TidegateNoFreshTarget", "TidegateOnHold"],
        ),
        states(
            Query(f"max by (reason) (tidegate_queue_rate_reason{{{ONSALE}}})", "{{reason}}"),
            colors=_REASONS,
        ),
    )
    sheet.add(
        About(
            "Replicas behind it",
            "Replicas of the rules which admit to this onsale. The rate follows the ready ones: a gap between wanted and ready "
            "is servers that start, or cannot. More is on the dashboard Scaling.",
            ["TidegateReplicasNotReady", "TidegateAtMaxReplicas"],
        ),
        graph(
            Query(
                f"max by (rule) (tidegate_scaler_ready_replicas{{{NAMESPACE}}}) and {_ADMITS}",
                "{{rule}} ready",
            ),
            Query(
                f"max by (rule) (tidegate_scaler_desired_replicas{{{NAMESPACE}}}) and {_ADMITS}",
                "{{rule}} wanted",
                "dashed",
            ),
            unit=COUNT,
        ),
    )
    sheet.add(
        About(
            "Rate and its bounds",
            "What the scaler admits, what is in force, and the document's ceiling. The ceiling is reached and the shop is bored: "
            "raise `rate` in the document. The target is far below what the replicas should take: the shop is slow.",
            ["TidegateShopSlow", "TidegateNoFreshTarget"],
        ),
        graph(
            Query(
                f"max by (rule) (tidegate_scaler_admission_rate_per_second{{{ONSALE}}})", "target of {{rule}}"
            ),
            Query(_recorded("rate_per_second:max"), "in force"),
            Query(_shared("rate_ceiling_per_second"), "ceiling", "dashed"),
            unit=PER_S,
        ),
    )
    sheet.add(
        About(
            "Room in the shop",
            "Sessions, and with them the places which are about to enter, below the capacity. Sessions that stay up although "
            "buyers have paid: the shop does not end them (`X-Tidegate-End`).",
            ["TidegateAtCapacity"],
        ),
        graph(
            Query(_recorded("sessions:max"), "sessions"),
            Query(
                f"max(tidegate_queue_sessions{{{ONSALE}}} + tidegate_queue_outstanding{{{ONSALE}}})",
                "with those who may enter",
            ),
            Query(_shared("capacity"), "capacity", "dashed"),
            unit=BUYERS,
        ),
    )


def _shop(sheet: Sheet) -> None:
    sheet.row("The shop, as its gate sees it (all onsales of the namespace)")
    sheet.add(
        About(
            "Time of the shop's answers",
            "Time until the head of an answer, through the reverse proxy. Rising with the rate: the shop gets more than it can "
            "take. Lower the rate by hand (`tidegate onsale rate NAME 5/s`) if the scaler does not.",
            ["TidegateShopSlow"],
        ),
        graph(
            *(
                Query(f"histogram_quantile({share}, sum by (le) ({_LATENCY}))", f"{name} of requests")
                for share, name in (("0.5", "half"), ("0.95", "95 %"), ("0.99", "99 %"))
            ),
            unit=SECONDS,
            width=8,
        ),
    )
    sheet.add(
        About(
            "Requests at the gate",
            "Requests a second by what the gate made of them: `allowed` with a pass, `free` where none is needed, `queued` sent "
            "to the room, `refused`. Many refused: look at the reasons on the dashboard Health.",
        ),
        graph(
            Query(
                f"sum by (outcome) (gate_outcome:tidegate_queue_gate_checks:rate1m{{{NAMESPACE}}})",
                "{{outcome}}",
            ),
            unit=PER_S,
            width=8,
            stacked=True,
        ),
    )
    sheet.add(
        About(
            "Requests that the shop fails",
            "Share of requests let through which the shop did not answer well. Above 5 %: lower the rate, then see why.",
            ["TidegateShopFails"],
        ),
        graph(
            Query(f"max(namespace:tidegate_queue_gate_upstream_errors:ratio5m{{{NAMESPACE}}})", "failed"),
            unit=SHARE,
            steps=((None, "green"), (0.05, "red")),
            width=8,
        ),
    )


def _questions(sheet: Sheet) -> None:
    sheet.row("Buyers' questions")
    sheet.add(
        About(
            "Questions by kind",
            "Questions of buyers a second. `status` stays within the poll budget however long the line is; much more of one kind "
            "than of the others is somebody else than buyers.",
        ),
        graph(
            Query(
                f"sum by (kind) (onsale_kind:tidegate_queue_requests:rate1m{{{ONSALE}}})",
                "{{kind}}",
            ),
            unit=PER_S,
            stacked=True,
        ),
    )
    sheet.add(
        About(
            "Who listens, and how often the others ask",
            "Open streams of events, and after how many seconds the last in line asks again (right). Streams that all break off "
            "at once: a proxy between cuts them.",
        ),
        graph(
            Query(f"sum(onsale:tidegate_queue_listeners:sum{{{ONSALE}}})", "streams"),
            Query(_shared("poll_interval_seconds"), "asks again after", "second", SECONDS),
            unit=COUNT,
            steps=CALM,
        ),
    )
