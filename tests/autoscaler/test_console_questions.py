"""Before another mode is set, the console says what will come of it."""

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.console.questions import question_of
from autoscaler.targets.base import TargetState
from rulebook.decision import Memory, decide
from rulebook.observation import Observation, Value
from rulebook.override import Override, OverrideMode, overridden
from tests.autoscaler.fakes import make_rule
from tests.autoscaler.test_console_views import WELL

ADMISSION = {"onsale": "cactus", "perReadyReplica": "5/s"}
FIVE = replace(WELL, state=TargetState(5, 5, ()))


def over(mode: OverrideMode, replicas: int | None = None) -> Override:
    return Override(mode, "kim", 0.0, replicas)


@pytest.mark.parametrize(
    ("spec", "override", "title", "told"),
    [
        ({}, over(OverrideMode.PAUSED), "Pause web?", "It has 5 replicas now. The count stays as it is"),
        (
            {"paused": {"replicas": 3}},
            over(OverrideMode.PAUSED),
            "Pause web?",
            "It goes to 3, where its document pins it",
        ),
        (
            {},
            over(OverrideMode.PINNED, 3),
            "Pin web at 3?",
            "It has 5 replicas now: 2 of them are ended, and buyers inside may notice. It stays at 3",
        ),
        ({}, over(OverrideMode.PINNED, 6), "Pin web at 6?", "1 more is started."),
        ({}, over(OverrideMode.PINNED, 5), "Pin web at 5?", "It has 5 replicas now. It stays at 5"),
        ({}, over(OverrideMode.PINNED, 0), "Pin web at 0?", "Then nothing is left that serves."),
        (
            {"replicas": {"min": 2, "max": 10}},
            over(OverrideMode.PINNED, 1),
            "Pin web at 1?",
            "below the rule's own minimum, 2.",
        ),
        ({}, over(OverrideMode.DRY_RUN), "Set web to a dry run?", "The scaler changes nothing any more"),
        (
            {"admission": ADMISSION},
            over(OverrideMode.DRY_RUN),
            "Set web to a dry run?",
            "Nor does it tell the onsale cactus what the shop can take",
        ),
        (
            {"dryRun": True},
            over(OverrideMode.PINNED, 3),
            "Pin web at 3?",
            "nothing will come of this before that has changed",
        ),
    ],
)
def test_what_will_come_of_it_is_said(
    spec: dict[str, Any], override: Override, title: str, told: str
) -> None:
    question = question_of(make_rule(**spec), FIVE, override)
    assert question is not None
    assert question.title == title
    assert told in question.text
    assert question.text.endswith("It is so until you set it to automatic again.")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, "Its signals say how many it is to have, from the next round on, which comes at once."),
        ({"dryRun": True}, "or --dry-run, has it on a dry run: the count stays as it is."),
        ({"paused": True}, "Its document pauses it"),
        (
            {"paused": {"replicas": 2}},
            "3 of them are ended, and buyers inside may notice. Its document pins it at 2.",
        ),
    ],
)
def test_taking_it_back_is_a_change_as_well(spec: dict[str, Any], told: str) -> None:
    status = replace(FIVE, override=over(OverrideMode.PAUSED))
    question = question_of(make_rule(**spec), status, None)
    assert question is not None
    assert question.title == "Set web to automatic?"
    assert told in question.text


@pytest.mark.parametrize("mode", [OverrideMode.PAUSED, OverrideMode.DRY_RUN])
def test_what_the_signals_have_asked_for_meanwhile_is_said(mode: OverrideMode) -> None:
    rule = make_rule()
    observation = Observation(current=5, ready=5, readings={"busy": Value(1000.0, 1.0)})
    decision = decide(overridden(rule, over(mode)), observation, Memory(), 1.0)
    assert decision.desired == 5
    wished = next(step for step in reversed(decision.steps) if step.name not in ("paused", "dryRun")).replicas
    assert wished > 5
    question = question_of(rule, replace(FIVE, override=over(mode), decision=decision), None)
    assert question is not None
    assert question.text.endswith(f"By the last round, that would be {wished}.")


def test_where_nothing_is_set_there_is_nothing_to_take_back() -> None:
    assert question_of(make_rule(), FIVE, None) is None


def test_a_count_that_is_not_known_is_said_not_to_be() -> None:
    question = question_of(make_rule(), replace(WELL, state=None), over(OverrideMode.PINNED, 3))
    assert question is not None
    assert question.text.startswith("How many replicas it has now is not known. It stays at 3")
