"""What the scaler writes when replicas come and go tells buyers why they wait, between two rounds and after the next one."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.admission import admission_target
from rulebook import Decision, Memory, Observation, Value, decide, read_ready
from tests.autoscaler.fakes import START_S, make_rule
from tests.waitingroom.samples import quiet_snapshot
from waitingroom.pace import Terms, begin, observe
from waitingroom.slowdown import Cause, Slowdown, explain
from waitingroom.snapshot import Line

RULE = make_rule(
    admission={"onsale": "cactus", "perReadyReplica": 5.0, "slow": {"signal": "busy", "above": 30.0}}
)
EIGHT = (40.0, "8 ready x 5/s")
FOUR = (20.0, "4 ready x 5/s")


def decided(ready: int, busy: float = 20.0, slow_factor: float = 1.0) -> Decision:
    observation = Observation(8, ready, {"busy": Value(busy, START_S)})
    return decide(RULE, observation, Memory(slow_factor=slow_factor), START_S)


def written(decision: Decision, ready: int) -> tuple[float, str]:
    """Return rate and reason of the target that is written while so many are ready."""
    target = admission_target(RULE, decision, ready, validity_s=45.0, term=0, now_s=START_S)
    assert target is not None
    return target.rate_per_s, target.reason


def told(*stretches: tuple[tuple[float, str], int], rules: tuple[str, ...] = ()) -> Slowdown | None:
    """Return what buyers are told after stretches of a rate with its reason, in seconds, in a room with a long line."""
    last = quiet_snapshot(rate_per_s=40.0, rate_reason="web: 8 ready x 5/s", lines=(Line(1, 90_000, 0, 0),))
    pace = begin(last, Terms(ceiling_per_s=100.0, session_length_s=600.0))
    for number, ((rate_per_s, reason), seconds) in enumerate(stretches):
        rule = rules[number] if rules else "web"
        said = reason if reason == "operator" else f"{rule}: {reason}"
        for _ in range(seconds):
            line = replace(last.lines[0], released=last.lines[0].released + int(rate_per_s))
            now = replace(last, at_s=last.at_s + 1.0, lines=(line,), rate_per_s=rate_per_s, rate_reason=said)
            pace, last = observe(pace, last, now), now
    return explain(pace, last)


def test_a_loss_is_told_as_fewer_servers_at_once_and_after_the_next_round() -> None:
    rewritten = written(decided(8), 4)
    assert rewritten == (20.0, "4 ready x 5/s, 8 at the last decision")
    assert written(decided(4), 4) == FOUR
    fewer = Slowdown(Cause.FEWER_SERVERS, 20.0, 40.0, ready=4, usual_ready=8)
    for stretches in [[(rewritten, 5)], [(rewritten, 5), (FOUR, 15)]]:
        slowdown = told((EIGHT, 120), *stretches)
        assert slowdown is not None
        assert replace(slowdown, usual_per_s=40.0) == fewer


def test_that_none_is_left_is_told_before_the_next_round() -> None:
    rewritten = written(decided(8), 0)
    assert read_ready(rewritten[1]) == 0
    assert told((EIGHT, 120), (rewritten, 5)) == Slowdown(Cause.NONE_READY, ready=0)


def test_a_shop_that_is_slow_stays_so_when_a_replica_is_added() -> None:
    rewritten = written(decided(8, busy=40.0, slow_factor=0.5), 9)
    assert rewritten == (18.0, "shop slow: busy 40 > 30, factor 0.4, 9 ready x 5/s, 8 at the last decision")
    slowdown = told((EIGHT, 120), (rewritten, 5))
    assert slowdown is not None
    assert slowdown.cause is Cause.SHOP_SLOW


def test_how_many_are_usual_is_not_forgotten_over_an_operators_rate() -> None:
    slowdown = told((EIGHT, 120), ((20.0, "operator"), 30), (FOUR, 15))
    assert slowdown is not None
    assert (slowdown.cause, slowdown.ready, slowdown.usual_ready) == (Cause.FEWER_SERVERS, 4, 8)


def test_servers_of_another_rule_that_gives_the_rate_now_are_not_fewer() -> None:
    slow = written(decided(8, busy=40.0, slow_factor=0.5), 3)
    slowdown = told((EIGHT, 120), (slow, 10), rules=("web", "checkout"))
    assert slowdown is not None
    assert slowdown.cause is Cause.SHOP_SLOW
