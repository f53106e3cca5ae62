"""Broken documents, by hand and by hypothesis: never a traceback, always a problem, and each with a place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import DocumentErrors, Problem, load_text
from rulebook.lint import lint
from tests.rulebook import broken
from tests.rulebook.documents import NOW_S

EXAMPLES = Path(__file__).parents[2] / "rules" / "examples"
TEXTS = {
    f"{path.parent.name}/{path.name}": path.read_text()
    for path in sorted(EXAMPLES.glob("*/*.yaml"))
    if path.parent.name != "demo"
}
CASES = [
    ("web/rule.yaml", *change) for change in broken.WEB_RULE
] + [
    ("nightly/rule.yaml", *change) for change in broken.NIGHTLY_RULE
] + [
    ("onsale/onsale.yaml", *change) for change in broken.ONSALE
]  # fmt: skip


def test_there_are_two_hundred_of_them() -> None:
    assert len(CASES) >= 200
    assert len(set(CASES)) == len(CASES)


@pytest.mark.parametrize(("name", "old", "new"), CASES, ids=range(len(CASES)))
def test_a_document_broken_by_hand_is_refused_at_a_place(name: str, old: str, new: str) -> None:
    text = TEXTS[name]
    assert old in text
    with pytest.raises(DocumentErrors) as refused:
        load_text(text.replace(old, new, 1), "x.yaml")
    lines = text.replace(old, new, 1).count("\n") + 1
    for problem in refused.value.problems:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert problem.message
        assert "\n" not in str(problem)
        assert len(str(problem)) < 700


RUBBISH = [
    *"{}[]:,-'\"!&*%@`|>#?~\\\t\n 09aZ",
    "- ",
    ": ",
    "\u0663",
    "\x00",
    "null",
    "0x10",
    "1e999",
    "[[[[",
    "<<: ",
    "&a ",
    "*a",
    "!!python ",
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(RUBBISH)), min_size=1, max_size=5
    ),
)
def test_a_mutated_document_loads_or_is_refused_at_a_place(
    name: str, mutations: list[tuple[float, int, str]]
) -> None:
    text = TEXTS[name]
    for place, length, new in mutations:
        start = int(place * len(text))
        text = text[:start] + new + text[start + length :]
    check(text)


WORDS = [
    "5",
    "-1",
    "0",
    "true",
    "null",
    "[]",
    "{}",
    "[1]",
    "{a: 1}",
    "''",
    "x",
    "5m",
    "1e400",
    "50/s",
    "10s",
    "2026-01-01",
    '"\\u0000"',
    ".nan",
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.lists(st.tuples(st.integers(0, 500), st.sampled_from(WORDS)), min_size=1, max_size=4),
)
def test_a_document_with_other_values_loads_or_is_refused_at_a_place(
    name: str, changes: list[tuple[int, str]]
) -> None:
    lines = TEXTS[name].split("\n")
    for number, word in changes:
        index = number % len(lines)
        key, colon, _ = lines[index].partition(": ")
        if colon:
            lines[index] = f"{key}: {word}"
    check("\n".join(lines))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.sets(st.integers(0, 200), min_size=1, max_size=8))
def test_a_document_with_lines_left_out_loads_or_is_refused_at_a_place(name: str, gone: set[int]) -> None:
    lines = TEXTS[name].split("\n")
    left_out = {number % len(lines) for number in gone}
    check("\n".join(line for index, line in enumerate(lines) if index not in left_out))


def check(text: str) -> None:
    """Load and lint, or see that each problem has a place."""
    problems: tuple[Problem, ...] = ()
    try:
        documents = load_text(text, "x.yaml")
    except DocumentErrors as error:
        problems = error.problems or (Problem("x.yaml", 0, 0, "", None, "an error without any problem"),)
    else:
        problems = tuple(finding.problem for finding in lint(documents, NOW_S))
    assert [problem for problem in problems if problem.line < 1 or problem.column < 1] == []
