"""*Health*: whether the machinery itself is well. Processes, store, gate, scalers, and what they lean on."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.boards.alerting import alert_bars, alert_count
from grafana.boards.frame import NAMESPACE, framed, openings, scalings
from grafana.boards.health_queue import gate_row, rooms_row, store_row
from grafana.boards.health_scaler import scalers_row, sources_row
from grafana.boards.panels import COUNT, NONE_IS_GOOD, ONE_IS_GOOD, About, Query, Sheet, number
from grafana.boards.wellbeing import YES_NO

UID = "tidegate-health"


def dashboard(places: Mapping[str, str]) -> Dashboard:
    """Return the dashboard; `places` are the addresses of the runbook's sections."""
    text = "Whether rooms, store, gates and scalers are well: staleness, latencies, failures."
    board = framed("Health", UID, text, "3h")
    for event in (*openings(NAMESPACE), scalings(NAMESPACE)):
        board.annotation(event)
    sheet = Sheet(board, places)
    _now(sheet)
    store_row(sheet)
    rooms_row(sheet)
    gate_row(sheet)
    scalers_row(sheet)
    sources_row(sheet)
    return board


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
            texts=YES_NO,
        ),
    )
    alert_count(sheet, NAMESPACE, width=4)
    alert_bars(sheet, NAMESPACE)
