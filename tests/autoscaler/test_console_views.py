"""What the console says of services and onsales in a word, and what it draws."""

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from autoscaler.conditions import Condition, ConditionType
from autoscaler.console.history import EVENTS_OF_RULE_KEPT, Chronicle
from autoscaler.console.onsale_history import OnsaleHistory
from autoscaler.console.onsales import onsale_view
from autoscaler.console.pastrounds import ROUNDS_KEPT, Round
from autoscaler.console.plot import MOST_POINTS, Series, draw, format_number, nice_ceiling, thinned
from autoscaler.console.views import (
    ago,
    describe,
    health,
    lately,
    mode_of,
    row_not_started,
    service_row,
)
from autoscaler.instrumentation.events import (
    ConditionChanged,
    ReplicaNotStarted,
    RuleDecided,
    RuleRemoved,
    StepFailed,
)
from autoscaler.sources.base import Answer
from autoscaler.status import RuleStatus
from autoscaler.targets.base import TargetState
from rulebook.decision import Memory, decide
from rulebook.observation import Missing, Observation, Value
from rulebook.override import Override, OverrideMode
from tests.autoscaler.fakes import ManualClock, make_rule

NOW_S = 1000.0
WELL = RuleStatus(
    rule="web",
    target="ProcessPool shop",
    interval_s=15.0,
    dry_run=False,
    rounds=3,
    last_round_at_s=5.0,
    last_round_monotonic_s=NOW_S - 5,
    last_success_at_s=5.0,
    state=TargetState(2, 2, ()),
)


def condition(kind: Any, reason: str) -> Condition:
    return Condition(kind, False, reason, "because", 0.0)


@pytest.mark.parametrize(
    ("changes", "word", "grade"),
    [
        ({}, "Healthy", "good"),
        ({"last_round_monotonic_s": None}, "Starting", "note"),
        ({"last_round_monotonic_s": NOW_S - 46}, "Stuck", "bad"),
        ({"conditions": (condition("AbleToScale", "AmbiguousTarget"),)}, "Cannot scale", "bad"),
        ({"conditions": (condition("ScalingActive", "FailedGetMetrics"),)}, "No data", "bad"),
        (
            {"last_success_at_s": 1.0, "failures": (StepFailed("web", "scale", "no", 4.0),)},
            "Failing",
            "warning",
        ),
        ({"state": TargetState(3, 1, ())}, "Scaling", "warning"),
        ({"state": TargetState(3, 0, ())}, "Unavailable", "bad"),
        ({"state": TargetState(0, 0, ())}, "Scaled to zero", "note"),
        ({"answers": {"busy": Answer(Missing("nobody answers"))}}, "Data missing", "warning"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_service_is_judged_by_what_is_worst(changes: dict[str, Any], word: str, grade: str) -> None:
    said = health(replace(WELL, **changes), outdated=False, now_s=NOW_S)
    assert (said.text, said.grade) == (word, grade)


def test_a_rule_in_its_last_good_form_is_told_apart() -> None:
    assert health(WELL, outdated=True, now_s=NOW_S).text == "Old rule"


@pytest.mark.parametrize(
    ("spec", "override", "word", "detail"),
    [
        ({}, None, "Automatic", ""),
        ({"paused": True}, None, "Paused", "by its document"),
        ({"paused": {"replicas": 3}}, None, "Pinned at 3", "by its document"),
        ({"dryRun": True}, None, "Dry run", "by its document"),
        (
            {"paused": True},
            Override(OverrideMode.PINNED, "kim", 0.0, 4, "a test"),
            "Pinned at 4",
            "by kim: a test",
        ),
        ({}, Override(OverrideMode.PAUSED, "kim", 0.0), "Paused", "by kim"),
        ({}, Override(OverrideMode.DRY_RUN, "kim", 0.0), "Dry run", "by kim"),
    ],
)
def test_the_mode_names_who_said_so(
    spec: dict[str, Any], override: Override | None, word: str, detail: str
) -> None:
    said = mode_of(make_rule(**spec), replace(WELL, override=override))
    assert (said.text, said.detail) == (word, detail)


def test_a_service_without_a_description_is_described_by_its_signals() -> None:
    assert describe(make_rule()).startswith("Scaled by ")


def decided(at_s: float, value: float) -> RuleDecided:
    observation = Observation(current=2, ready=1, readings={"busy": Value(value, at_s)})
    decision = decide(make_rule(), observation, Memory(), at_s)
    return RuleDecided("web", decision, {"busy": Answer(Value(value, at_s))}, at_s)


def test_rounds_and_events_are_kept_and_bounded(clock: ManualClock) -> None:
    chronicle = Chronicle(clock)
    for at_s in range(ROUNDS_KEPT + 5):
        chronicle.record(decided(float(at_s), 10.0))
    rounds = chronicle.rounds("web")
    assert len(rounds) == ROUNDS_KEPT
    assert (rounds[-1].current, rounds[-1].ready, rounds[-1].values) == (2, 1, (("busy", 10.0),))
    for number in range(EVENTS_OF_RULE_KEPT + 5):
        chronicle.record(StepFailed("web", "scale", f"no {number}", 0.0))
    assert len(chronicle.happenings("web")) == EVENTS_OF_RULE_KEPT
    chronicle.record(RuleRemoved("web"))
    assert chronicle.rounds("web") == ()


def test_a_failure_that_repeats_itself_takes_one_line(clock: ManualClock) -> None:
    chronicle = Chronicle(clock)
    for _ in range(5):
        chronicle.record(StepFailed("web", "scale", "no", 0.0))
    chronicle.record(ReplicaNotStarted("shop", "no free port", 1.0))
    assert [one.what for one in chronicle.happenings("web", "shop")] == ["Not started", "Failed"]
    assert [one.what for one in chronicle.happenings("web")] == ["Failed"]
    assert chronicle.happenings("other") == ()
    assert chronicle.version == 6


@pytest.mark.parametrize("kind", get_args(ConditionType))
@pytest.mark.parametrize("holds", [True, False])
def test_a_condition_is_told_in_plain_words(clock: ManualClock, kind: Any, holds: bool) -> None:
    chronicle = Chronicle(clock)
    chronicle.record(ConditionChanged("web", replace(condition(kind, "Reason"), holds=holds)))
    (one,) = chronicle.happenings("web")
    assert kind not in one.what
    assert one.text == "Reason: because"
    assert one.grade == ("note" if holds or kind == "ScalingLimited" else "warning")


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    plot = draw(
        [Series("busy", "signal", ((0.0, 10.0), (1.0, None), (2.0, float("nan")), (3.0, 20.0), (4.0, 20.0)))],
        130,
    )
    assert plot is not None
    assert plot.lines[0].path.count("M") == 2
    assert plot.lines[0].path.count("L") == 1
    assert plot.y_ticks[-1].label == "20"
    assert plot.summary == "Now busy: 20"
    read = json.loads(plot.figures)
    assert (read["start"], read["end"], read["moments"]) == (0.0, 4.0, [0.0, 1.0, 2.0, 3.0, 4.0])
    assert read["lines"] == [["busy", [[0.0, 10.0], [1.0, None], [2.0, None], [3.0, 20.0], [4.0, 20.0]]]]


def test_counts_go_in_steps_over_whole_numbers() -> None:
    plot = draw([Series("desired", "desired", ((0.0, 1), (10.0, 2)), steps=True)], 130)
    assert plot is not None
    assert "H" in plot.lines[0].path
    assert [tick.label for tick in plot.y_ticks] == ["0", "1", "2", "3", "4"]


def test_what_is_far_above_the_lines_that_matter_is_drawn_at_the_edge() -> None:
    points = ((0.0, 2), (10.0, 62), (20.0, 4))
    plot = draw([Series("crowd", "asked", points, steps=True)], 130, ceiling=7.5)
    assert plot is not None
    assert (plot.y_ticks[-1].label, plot.beyond) == ("8", "62")
    assert f"V{plot.top:.1f}" in plot.lines[0].path
    within = draw([Series("crowd", "asked", points, steps=True)], 130)
    assert within is not None
    assert (within.y_ticks[-1].label, within.beyond) == ("80", None)


def test_a_signal_that_the_rule_does_without_is_nothing_to_worry_about() -> None:
    missing = replace(WELL, answers={"busy": Answer(Missing("a quiet shop"))})
    said = health(missing, outdated=False, now_s=NOW_S, optional=frozenset({"busy"}))
    assert (said.text, said.grade) == ("Healthy", "good")


def test_after_a_long_rest_only_what_came_after_it_is_drawn() -> None:
    old, new = (Round(at_s, 2, 2, 2, (), ()) for at_s in (0.0, 100_000.0))
    assert lately((old, new), 15.0) == (new,)
    assert lately((), 15.0) == ()


def test_before_there_are_two_moments_nothing_is_drawn() -> None:
    assert draw([], 130) is None
    assert draw([Series("busy", "signal", ((1.0, 2.0),))], 130) is None


def test_of_many_points_the_last_is_always_drawn() -> None:
    points = tuple((float(at_s), float(at_s)) for at_s in range(1001))
    kept = thinned(points)
    assert len(kept) <= MOST_POINTS
    assert kept[-1] == points[-1]


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0, 1), (1, 1), (1.1, 2), (35, 40), (41, 80), (81, 100), (0.03, 0.04)]
)
def test_an_axis_ends_at_a_number_that_reads_well(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == pytest.approx(ceiling)


def test_numbers_and_times_are_short() -> None:
    assert [format_number(value) for value in (0.1234, 12, 999, 1234, 45_600, 7e6, 2e9)] == [
        "0.123", "12", "999", "1234", "45.6k", "7M", "2G",
    ]  # fmt: skip
    assert [ago(seconds) for seconds in (-1, 0.4, 59, 119, 120, 7200, 172_800)] == [
        "0 s", "0 s", "59 s", "119 s", "2 min", "2 h", "2 d",
    ]  # fmt: skip


SNAPSHOT = {"waiting": 120, "rate_per_s": 4.0, "released_per_s": 2.0, "hold": "", "lines": [{"tail": 200}]}


@pytest.mark.parametrize(
    ("changes", "eta"),
    [
        ({}, "60 s"),
        ({"released_per_s": 0.0}, "30 s"),
        ({"released_per_s": 9.0}, "30 s"),
        ({"waiting": 0}, "nobody waits"),
        ({"hold": "a fault"}, "held"),
        ({"rate_per_s": 0.0, "released_per_s": 0.0}, "never at this rate"),
        ({"rate_per_s": None}, "-"),
    ],
)
def test_the_last_in_line_is_told_by_the_pace_of_now(changes: dict[str, Any], eta: str) -> None:
    view = onsale_view({"name": "cactus", "phase": "open", "snapshot": {**SNAPSHOT, **changes}})
    assert view.eta == eta


@pytest.mark.parametrize(
    "answer",
    [{}, {"snapshot": None}, {"name": 7, "snapshot": [], "document": "x", "overrides": {"ops_rate": "NaN!"}}],
)
def test_what_a_room_does_not_tell_is_unknown(answer: dict[str, Any]) -> None:
    view = onsale_view(answer)
    assert (view.waiting, view.rate_per_s, view.eta, view.ceiling_per_s) == (None, None, "-", None)


def test_figures_that_are_old_are_said_to_be(clock: ManualClock) -> None:
    view = onsale_view({"name": "cactus", "phase": "open", "stale": True, "snapshot": SNAPSHOT})
    assert (view.phase.text, view.released, view.share) == ("Stale", 80, 50)
    history = OnsaleHistory()
    history.note(replace(view, stale=False), 0.0)
    history.note(view, 5.0)
    waiting, rates = history.plots("cactus")
    assert waiting is not None
    assert waiting.lines[0].last is None
    assert rates is not None
    assert len(rates.lines) == 2
    assert history.plots("unknown") == (None, None)


def test_a_rule_that_was_not_started_has_a_line_with_the_reason() -> None:
    row = row_not_started(make_rule(), "--logs /x: File exists")
    assert (row.name, row.started, row.desired, row.available) == ("web", False, None, None)
    assert (row.status.text, row.status.grade) == ("Not started", "bad")
    assert row.status.detail.startswith("--logs /x: File exists. Nothing is scaled by it.")


@pytest.mark.parametrize(
    ("changes", "word"), [({}, "New form not started"), ({"last_round_monotonic_s": NOW_S - 46}, "Stuck")]
)
def test_a_rule_whose_new_form_was_not_started_says_so_unless_the_old_one_is_worse_off(
    changes: dict[str, Any], word: str
) -> None:
    status = replace(WELL, **changes)
    row = service_row(make_rule(), status, outdated=False, now_s=NOW_S, refused="no folder")
    assert (row.status.text, row.status.grade, row.started) == (word, "bad", True)
