"""What a rule tells of the rate to come: what is ordered, when it is ready, and by what law more is ordered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rulebook import Crowd, Decision, Memory, Outlook, Value, decide, read_outlook
from rulebook.outlook import UNSEEN_STARTS_S, outlook_of
from rulebook.startup import StartUps
from tests.rulebook.documents import NOW_S, rule, seen, share


def crowded(lead: str | None = "60s", **spec: Any) -> Any:
    onsale = {"name": "gala", "drainWithin": "4m"} | ({} if lead is None else {"lead": lead})
    signals = [share("requests", 10), {"name": "crowd", "onsale": onsale, "perReplica": 5}]
    return rule(
        signals=signals,
        interval="5s",
        replicas={"min": 4, "max": 20},
        admission={"onsale": "gala", "perReadyReplica": "5/s"},
        **spec,
    )


def decided(by: Any, backlog: int = 12_000, memory: Memory | None = None, ready: int = 4) -> Decision:
    crowd = Crowd(at_s=NOW_S, arrivals_per_s=0.0, backlog=backlog, opens_at_s=None, sessions=None)
    readings = {"requests": Value(10.0, NOW_S), "crowd": crowd}
    return decide(by, seen(4, readings, ready=ready), memory or Memory(), NOW_S)


def told(by: Any, decision: Decision, seconds: float = 0.0) -> Outlook:
    outlook = outlook_of(by, decision, NOW_S + seconds)
    assert outlook is not None
    return outlook


def test_the_replicas_that_are_ordered_and_those_that_may_be_are_told_as_rates() -> None:
    by = crowded()
    decision = decided(by)
    outlook = told(by, decision)
    assert outlook.coming_per_s == 5.0 * decision.desired > 20.0
    assert (outlook.most_per_s, outlook.drain_within_s) == (100.0, 240.0)


def test_starts_are_as_the_lead_has_it_until_they_are_seen() -> None:
    by = crowded()
    decision = decided(by)
    outlook = told(by, decision)
    assert (outlook.coming_from_s, outlook.coming_by_s, outlook.starts_by_s) == (20.0, 60.0, 65.0)
    learnt = Memory(start_ups=StartUps((), (35.0, 40.0)))
    outlook = told(by, decided(by, memory=learnt))
    assert (outlook.coming_from_s, outlook.coming_by_s) == (30.0, 50.0)
    unknown = crowded(lead=None)
    outlook = told(unknown, decided(unknown))
    assert (outlook.coming_from_s, outlook.coming_by_s) == UNSEEN_STARTS_S


def test_what_was_ordered_before_is_ready_the_sooner_and_when_overdue_may_take_half_as_long_again() -> None:
    by = crowded()
    first = decided(by)
    ordered = first.memory.after_scaling(4, first.desired, NOW_S)
    later = replace(first, memory=ordered)
    outlook = told(by, later, 15.0)
    assert (outlook.coming_from_s, outlook.coming_by_s) == (5.0, 45.0)
    outlook = told(by, later, 100.0)
    assert (outlook.coming_from_s, outlook.coming_by_s) == (0.0, 50.0)


def test_a_rule_that_is_paused_tells_of_no_more_than_it_has() -> None:
    by = crowded(paused=True)
    outlook = told(by, decided(by))
    assert (outlook.most_per_s, outlook.coming_per_s, outlook.drain_within_s) == (20.0, 20.0, 0.0)


def test_a_rule_that_lets_nobody_in_tells_nothing() -> None:
    by = rule()
    assert (
        outlook_of(by, decide(by, seen(4, {"requests": Value(10.0, NOW_S)}), Memory(), NOW_S), NOW_S) is None
    )


def test_a_text_is_read_as_it_was_written_and_within_another_bound() -> None:
    outlook = Outlook(100.0, 60.0, 20.0, 60.0, 20.0, 65.0, 240.0)
    assert read_outlook(outlook.to_text()) == outlook
    bounded = outlook.within(50.0)
    assert (bounded.most_per_s, bounded.coming_per_s, bounded.coming_by_s) == (50.0, 50.0, 60.0)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "{}", "[1,2,3]", '[1,2,3,4,5,6,"7"]', "[1,2,3,4,5,6,-7]", "[1,2,3,4,5,6,NaN]", "[" * 9999],
    ids=["nothing", "no JSON", "no list", "too few", "a text", "negative", "no number", "nested"],
)
def test_a_text_that_is_not_understood_tells_nothing(text: str) -> None:
    assert read_outlook(text) is None
