"""What is kept of a rule decides as what was there did (P10, a restart), in bounded space, and anything else is refused."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import Kept, KeptTextError, Memory, OnsaleTimes, Value, decide, read_kept, write_kept
from rulebook.events import MAX_LOG, ScaleEvent
from rulebook.kept import MAX_ENTRIES, MAX_TEXT, condense
from rulebook.memory import CrowdDeadline, SeenOnsale, TimedRecommendation
from rulebook.stabilisation import stabilise_windows
from rulebook.startup import MAX_SAMPLES, MAX_STARTING, Ordered, StartUps
from tests.rulebook.documents import NOW_S, again, rule, seen

TARGET = ("apps", "Deployment", "shop", "web")
BEHAVIOUR = {
    "scaleUp": {
        "stabilizationWindowSeconds": 60,
        "policies": [{"type": "Pods", "value": 6, "periodSeconds": 90}],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 120,
        "policies": [{"type": "Percent", "value": 20, "periodSeconds": 60}],
    },
}

counts = st.integers(0, 2**31 - 1)
times = st.floats(0, 4e9)
memories = st.builds(
    Memory,
    recommendations=st.lists(st.builds(TimedRecommendation, counts, times)).map(tuple),
    scale_up_events=st.lists(st.builds(ScaleEvent, counts, times, st.booleans())).map(tuple),
    scale_down_events=st.lists(st.builds(ScaleEvent, counts, times, st.booleans())).map(tuple),
    up_period_s=st.none() | st.floats(0, 1800),
    down_period_s=st.none() | st.floats(0, 1800),
    crowd_deadlines=st.lists(st.builds(CrowdDeadline, st.text(max_size=20), times), max_size=4).map(tuple),
    onsales=st.lists(
        st.builds(
            SeenOnsale,
            st.text(max_size=20),
            st.builds(OnsaleTimes, st.none() | times, st.none() | counts, st.none() | counts),
        ),
        max_size=4,
    ).map(tuple),
    slow_factor=st.floats(0.1, 1.0),
    slow_at_s=st.none() | times,
    slow_cut_at_s=st.none() | times,
    slow_limit=st.none() | st.floats(0.1, 1.0),
    blind_since_s=st.none() | times,
    at_start=st.none() | st.builds(TimedRecommendation, counts, times),
    start_ups=st.builds(
        StartUps,
        st.lists(st.builds(Ordered, counts, times), max_size=MAX_STARTING).map(tuple),
        st.lists(st.floats(0, 3600), max_size=MAX_SAMPLES).map(tuple),
    ),
)


@settings(deadline=None)
@given(memories, st.none() | counts, times)
def test_what_is_written_is_read(memory: Memory, replicas: int | None, at_s: float) -> None:
    memory = condense(memory)
    kept = Kept(TARGET, replicas, at_s, memory)
    assert read_kept(write_kept(kept)) == kept
    assert condense(memory) == memory


@settings(deadline=None)
@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 40), st.floats(1, 40)), min_size=2, max_size=60),
    st.sets(st.integers(0, 59)),
)
def test_a_restart_at_any_round_changes_no_decision(
    behaviour: bool, rounds: list[tuple[int, float]], restarts: set[int]
) -> None:
    asked = rule(**({"behavior": BEHAVIOUR} if behaviour else {}))
    states = {"goes on": (5, Memory()), "starts again": (5, Memory())}
    now_s = NOW_S
    for index, (wanted, later_s) in enumerate(rounds):
        now_s += later_s
        for name, (current, memory) in states.items():
            found = again(memory) if name == "starts again" and index in restarts else memory
            observation = seen(current, {"requests": Value(wanted * 10.0, now_s)})
            decision = decide(asked, observation, found, now_s)
            states[name] = (decision.desired, decision.memory.after_scaling(current, decision.desired, now_s))
        assert states["goes on"][0] == states["starts again"][0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_memory_too_long_to_be_kept_whole_errs_towards_more_replicas(seed: int) -> None:
    chance = random.Random(seed)
    log = tuple(
        TimedRecommendation(5000 + chance.choice((-index, index)), NOW_S - index) for index in range(3000)
    )
    assert len(condense(Memory(recommendations=log)).recommendations) <= MAX_ENTRIES
    kept = again(Memory(recommendations=log)).recommendations
    for window_s in (10.0, 100.0, 1000.0, 3600.0):
        whole = stabilise_windows(6000, 5000, window_s, window_s, log, NOW_S).replicas
        assert stabilise_windows(6000, 5000, window_s, window_s, kept, NOW_S).replicas >= whole
        whole = stabilise_windows(4000, 5000, window_s, window_s, log, NOW_S).replicas
        assert stabilise_windows(4000, 5000, window_s, window_s, kept, NOW_S).replicas >= whole


def test_the_largest_memory_there_can_be_is_written_in_bounds_and_read_again() -> None:
    worst = Memory(
        recommendations=tuple(
            TimedRecommendation(2**30 - index, NOW_S + index / 7) for index in range(MAX_LOG // 2)
        )
        + tuple(TimedRecommendation(index, NOW_S + index / 7) for index in range(MAX_LOG // 2)),
        scale_up_events=tuple(ScaleEvent(index, NOW_S + index / 7) for index in range(MAX_LOG)),
        scale_down_events=tuple(ScaleEvent(index, NOW_S + index / 7) for index in range(MAX_LOG)),
        crowd_deadlines=tuple(CrowdDeadline(f"signal_{index}", NOW_S / 7) for index in range(50)),
        onsales=tuple(
            SeenOnsale(f"onsale-{index}", OnsaleTimes(NOW_S / 7, 2**30, 2**30)) for index in range(50)
        ),
    )
    text = write_kept(Kept(TARGET, 5, NOW_S, worst))
    assert len(text) <= MAX_TEXT
    kept = read_kept(text).memory
    assert sum(event.change for event in kept.scale_up_events) == sum(range(MAX_LOG))
    assert max(event.at_s for event in kept.scale_up_events) == NOW_S + (MAX_LOG - 1) / 7


def test_fields_of_a_newer_writer_are_passed_over_and_missing_ones_are_empty() -> None:
    memory = Memory(recommendations=(TimedRecommendation(4, NOW_S),))
    document = json.loads(write_kept(Kept(TARGET, 5, NOW_S, memory)))
    assert read_kept(json.dumps({**document, "moonPhase": [1, 2]})).memory == memory
    bare = {"version": 1, "target": TARGET, "at": NOW_S}
    assert read_kept(json.dumps(bare)) == Kept(TARGET, None, NOW_S, Memory())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 2),
        ("target", "web"),
        ("target", [1, 2, 3, 4]),
        ("at", None),
        ("at", 1e300),
        ("replicas", -1),
        ("replicas", True),
        ("recommendations", [[1.5, NOW_S]]),
        ("recommendations", [[1]]),
        ("recommendations", {"a": 1}),
        ("ups", [[-3, NOW_S]]),
        ("downs", 7),
        ("deadlines", [[None, NOW_S]]),
        ("onsales", [["gala", "soon", 1, 1]]),
        ("slow", [0, None]),
        ("slow", [1.5, None]),
        ("start", [1]),
    ],
)
def test_what_cannot_be_understood_is_refused(field: str, value: object) -> None:
    document = json.loads(write_kept(Kept(TARGET, 5, NOW_S, Memory())))
    with pytest.raises(KeptTextError):
        read_kept(json.dumps({**document, field: value}))


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '"' + "x" * MAX_TEXT + '"', "[" * 60_000, '{"version":1,"at":NaN}']
)
def test_a_text_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(KeptTextError):
        read_kept(text)


@settings(deadline=None, max_examples=30)
@given(memories, st.floats(-1e8, 1e8))
def test_a_memory_moves_with_a_corrected_clock_as_a_whole(memory: Memory, by_s: float) -> None:
    moved = memory.moved(by_s)
    assert [entry.replicas for entry in moved.recommendations] == [
        entry.replicas for entry in memory.recommendations
    ]
    for before, after in zip(memory.recommendations, moved.recommendations, strict=True):
        assert after.at_s == before.at_s + by_s
    assert memory.moved(0.0) == memory
