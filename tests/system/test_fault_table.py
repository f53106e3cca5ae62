"""The page on the scaler's faults names the tests that hold what it says; here they are looked for."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "scaler-faults.md"
PROMISED = (
    *("Prometheus is down", "Prometheus is slow", "Prometheus answers 500", "the answer is empty", "NaN"),
    *(
        "the samples are stale",
        "it is down",
        "409, a storm",
        "429",
        "403",
        "down later",
        "killed in mid-write",
    ),
    *("two leaders", "the clock is stepped"),
)


def rows() -> list[tuple[str, str, list[str]]]:
    """Return fault, what happens, and the tests, of each row of each table."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "fault" and not cells[0].startswith("---"):
            fault, happens, tests = cells
            found.append((fault, happens, re.findall(r"`(\w+::\w+)`", tests)))
    return found


def existing() -> set[str]:
    """Return all tests there are, as `file::name`."""
    return {
        f"{file.stem}::{node.name}"
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_each_row_says_what_happens_and_names_tests_that_exist() -> None:
    there = existing()
    for fault, happens, tests in rows():
        assert happens, fault
        assert tests, f"{fault}: no test is named"
        assert [test for test in tests if test not in there] == [], fault


@pytest.mark.parametrize("fault", PROMISED)
def test_every_fault_of_the_promise_has_a_row(fault: str) -> None:
    assert any(named.startswith(fault) for named, _, _ in rows())
