"""Hostile text is refused, quickly and as a problem, whatever it is."""

# ruff: noqa: E501  # one text, one row

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulebook import DocumentErrors, FormulaError, load_text
from rulebook.formula import compile_formula
from tests.rulebook.documents import RULE

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, key in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n\tb: 2", "2:1: is not YAML: while scanning for the next token, found character '\\t' that cannot start any token"),
        ("a: [1, 2\nb: 3\n", "2:2: is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'"),
        ("a: !!python/object/apply:os.system [x]", "1:4: must not use tags, found 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("a: !mine x", "1:4: must not use tags, found '!mine'"),
        ("a: " + "9" * 10_000, "1:4: is too large a number, found '" + "9" * 76 + "..."),
        ("a: .nan", "1:4: is not a number that can be used, found .nan"),
        ("a: " + "[" * 10_000, "1:28: is nested more than 24 deep"),
        ("- " * 8_000, "1:51: is nested more than 24 deep"),
        (BOMB, "5:8: holds more than 20000 values"),
        ("---\n" * 100_000, "10001:1: holds more than 20000 values"),
        ("a: &x [*x]", "1:8: refers to an anchor that is not there, found *x"),
        ("? [a]\n: b", "1:3: a field's name must be plain text"),
        ("a: \x00", "1:4: holds a character that YAML forbids"),
        ('a: "\\U00110000"', "1:1: is not YAML: chr() arg not in range(0x110000)"),
        ("%YAML 3.0\n---\na: 1", "1:1: is not YAML: found incompatible YAML document (version 1.* is required)"),
        ("#\n" * (512 * 1024 + 1), " is larger than 1048576 bytes"),
        ("!" * 1024 * 1024, "1:16385: is a line of more than 16384 characters"),
        ("- 1", "1:1: must be a document, found a list"),
        ("just text", "1:1: must be a document, found 'just text'"),
    ],
    ids=range(19),
)  # fmt: skip
def test_it_is_one_problem(text: str, expected: str) -> None:
    with pytest.raises(DocumentErrors) as refused:
        load_text(text, "x.yaml")
    assert [str(problem) for problem in refused.value.problems] == [f"x.yaml:{expected}"]


@pytest.mark.parametrize("loop", ["map", "filter", "all", "exists", "exists_one", "existsOne"])
@pytest.mark.parametrize(
    "call",
    ["[0].{}(a, true)", "[0] .\t{}\f(a, true)", "[0].{}//\n(a, true)", "[0].// (\n//\n {} // ((\n\r(a, true)", "'//'.{}(a, true)"],
    ids=["plain", "blanks", "a comment behind the name", "comments everywhere", "a comment that is text"],
)  # fmt: skip
def test_a_formula_does_not_loop_however_it_is_spelt(call: str, loop: str) -> None:
    with pytest.raises(FormulaError, match="must not loop over lists"):
        compile_formula(f"{call.format(loop)} == [] ? 1 : 2")


def test_a_formula_may_hold_comments() -> None:
    compile_formula("max(requests, // the crowd\n values.latency > 0.3 ? 9 : 2) // more than (that)")


def test_a_field_given_twice_and_merge_keys_are_refused() -> None:
    with pytest.raises(DocumentErrors) as refused:
        load_text(RULE + "  interval: 10s\n  interval: 20s\n  <<: {dryRun: true}\n", "x.yaml")
    assert str(refused.value).splitlines() == [
        "x.yaml:16:3: field 'interval' is given twice, first in line 15",
        "x.yaml:17:3: merge keys (<<) are not supported",
    ]


def test_after_a_hundred_mistakes_reading_stops() -> None:
    with pytest.raises(DocumentErrors) as refused:
        load_text("a: 1\n" * 1000, "x.yaml")
    assert len(refused.value.problems) == 101
    assert refused.value.problems[-1].message == "holds too many mistakes to go on"


def test_an_alias_stands_for_what_it_names() -> None:
    text = (
        RULE
        + """\
  behavior:
    scaleUp: {policies: &policies [{type: Pods, value: 1, periodSeconds: 15}]}
    scaleDown: {policies: *policies}
"""
    )
    behavior = load_text(text).rules["web"].spec.behavior
    assert behavior is not None
    assert behavior.scale_up == behavior.scale_down


yaml_like = st.lists(
    st.sampled_from([*"{}[]:,-?&*!|>'\"%#@` \n\t~", "---", "...", "a", "apiVersion", "kind", "<<", "!!", "\\x", "1e9", "\r", "\u2028"]),
    max_size=60,
).map("".join)  # fmt: skip


@settings(deadline=None)
@given(yaml_like | st.text(max_size=60))
def test_any_text_loads_or_is_refused_as_a_problem(text: str) -> None:
    assert loads_or_is_refused(text)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(RULE)), st.sampled_from([*"{}[]:,-'\"!&*0x \n", ""])), max_size=4)
)
def test_a_rule_with_scratches_loads_or_is_refused_as_a_problem(scratches: list[tuple[int, str]]) -> None:
    text = RULE
    for place, character in scratches:
        text = text[:place] + character + text[place + 1 :]
    assert loads_or_is_refused(text)


def loads_or_is_refused(text: str) -> bool:
    try:
        load_text(text)
    except DocumentErrors as error:
        return bool(error.problems)
    return True
