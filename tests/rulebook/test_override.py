"""An operator's word over a rule's document: what it changes in a decision, and that it is kept."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rulebook.decision import decide
from rulebook.kept import Kept, KeptTextError, read_kept, write_kept
from rulebook.memory import Memory
from rulebook.observation import Observation, Value
from rulebook.override import Override, OverrideMode, overridden, read_override, write_override
from tests.rulebook.documents import rule

PAUSED = Override(OverrideMode.PAUSED, "kim", 1000.0, reason="a look at the database")
PINNED = Override(OverrideMode.PINNED, "kim", 1000.0, replicas=7)
DRY_RUN = Override(OverrideMode.DRY_RUN, "kim", 1000.0)


def desired(override: Override | None, **spec: Any) -> int:
    """Two replicas, and a load for four."""
    document = overridden(rule(**spec), override)
    name = document.spec.signals[0].name
    load = 4 * (document.spec.signals[0].per_replica or 0.0)
    observation = Observation(current=2, ready=2, readings={name: Value(load, 1000.0)})
    return decide(document, observation, Memory(), 1000.0).desired


@pytest.mark.parametrize(
    ("override", "expected"),
    [(None, 4), (PAUSED, 2), (PINNED, 7), (DRY_RUN, 2)],
    ids=["automatic", "paused", "pinned", "dry run"],
)
def test_a_rule_does_as_the_operator_says(override: Override | None, expected: int) -> None:
    assert desired(override) == expected


@pytest.mark.parametrize(
    ("override", "spec", "expected"),
    [
        (PAUSED, {"paused": {"replicas": 3}}, 3),
        (DRY_RUN, {"paused": True}, 2),
        (PINNED, {"dryRun": True}, 2),
        (PINNED, {"paused": True}, 7),
    ],
    ids=[
        "a pause holds a pinned rule",
        "a dry run of a paused rule",
        "pinned, but a dry run",
        "pinned, though paused",
    ],
)
def test_an_override_never_sets_a_document_free(
    override: Override, spec: dict[str, Any], expected: int
) -> None:
    assert desired(override, **spec) == expected


def test_without_an_override_the_rule_is_the_very_same() -> None:
    document = rule()
    assert overridden(document, None) is document


@pytest.mark.parametrize("override", [None, PAUSED, PINNED, DRY_RUN])
def test_an_override_is_kept_with_what_the_rule_remembers(override: Override | None) -> None:
    kept = Kept(("apps", "Deployment", "shop", "web"), 3, 2000.0, Memory(), override)
    assert read_kept(write_kept(kept)) == kept


def test_what_was_kept_before_there_were_overrides_has_none() -> None:
    text = json.loads(write_kept(Kept(("apps", "Deployment", "shop", "web"), 3, 2000.0, Memory())))
    del text["override"]
    assert read_kept(json.dumps(text)).override is None


@pytest.mark.parametrize(
    "broken",
    [
        ["stopped", None, "kim", 1.0, ""],
        ["paused", 3, "kim", 1.0, ""],
        ["pinned", None, "kim", 1.0, ""],
        ["pinned", -1, "kim", 1.0, ""],
        ["pinned", True, "kim", 1.0, ""],
        ["paused", None, 7, 1.0, ""],
        ["paused", None, "kim", "now", ""],
        ["paused", None, "kim", 1.0, "x" * 301],
        ["paused"],
        7,
    ],
    ids=str,
)
def test_what_is_no_override_is_not_taken_for_one(broken: Any) -> None:
    text = json.loads(write_kept(Kept(("apps", "Deployment", "shop", "web"), 3, 2000.0, Memory(), PAUSED)))
    with pytest.raises(KeptTextError):
        read_kept(json.dumps({**text, "override": broken}))


def test_an_override_is_written_and_read_back() -> None:
    assert read_override(write_override(PINNED)) == PINNED
    assert read_override(write_override(replace(PAUSED, reason="é <b>"))) == replace(PAUSED, reason="é <b>")
