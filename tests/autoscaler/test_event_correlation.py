"""What is said about an object stays readable: repeated remarks are counted, similar ones combined, and there is a budget."""

from dataclasses import replace

from autoscaler.kubernetes.correlation import BURST, COMBINED, SIMILAR, SIMILAR_S, Correlator, Remark

START_S = 1_800_000_000.0
FAILED = Remark("apps/v1/Deployment/shop/web", "Warning", "FailedGetScale", "API server: no answer in time")
SCALED = Remark("apps/v1/Deployment/shop/web", "Normal", "SuccessfulRescale", "New size: 5; reason: requests")


def test_a_remark_is_an_event_with_a_name_of_its_own() -> None:
    correlator = Correlator()
    first, second = correlator.correlate(FAILED, START_S), correlator.correlate(SCALED, START_S)
    assert first is not None
    assert second is not None
    assert (first.count, first.remark, first.first_s, first.last_s) == (1, FAILED, START_S, START_S)
    assert first.name.startswith("web.")
    assert first.name != second.name


def test_the_same_again_is_counted() -> None:
    correlator = Correlator()
    first = correlator.correlate(FAILED, START_S)
    again = correlator.correlate(FAILED, START_S + 15)
    assert first is not None
    assert again is not None
    assert (again.name, again.count, again.first_s, again.last_s) == (first.name, 2, START_S, START_S + 15)


def test_many_remarks_which_differ_in_their_words_become_one() -> None:
    correlator = Correlator()
    remarks = [replace(FAILED, message=f"try {number}") for number in range(SIMILAR + 3)]
    said = [correlator.correlate(remark, START_S) for remark in remarks]
    combined = [entry for entry in said if entry is not None and entry.remark.message.startswith(COMBINED)]
    assert len({entry.name for entry in said if entry is not None}) == SIMILAR
    assert [entry.count for entry in combined] == [1, 2, 3, 4]
    assert combined[-1].remark.message == f"{COMBINED}try {SIMILAR + 2}"


def test_a_reason_that_was_silent_starts_over() -> None:
    correlator = Correlator()
    for number in range(SIMILAR):
        correlator.correlate(replace(FAILED, message=f"try {number}"), START_S)
    later = correlator.correlate(replace(FAILED, message="again"), START_S + SIMILAR_S + 1)
    assert later is not None
    assert later.remark.message == "again"


def test_there_is_a_budget_for_each_reason() -> None:
    correlator = Correlator()
    said = [correlator.correlate(FAILED, START_S) for _ in range(BURST + 5)]
    assert [entry is None for entry in said] == [False] * BURST + [True] * 5
    assert correlator.correlate(SCALED, START_S) is not None
    assert correlator.correlate(FAILED, START_S + 301) is not None


def test_objects_are_told_apart() -> None:
    correlator = Correlator()
    other = replace(FAILED, subject="apps/v1/Deployment/shop/other")
    first, second = correlator.correlate(FAILED, START_S), correlator.correlate(other, START_S)
    assert first is not None
    assert second is not None
    assert (first.count, second.count) == (1, 1)
    assert second.name.startswith("other.")
