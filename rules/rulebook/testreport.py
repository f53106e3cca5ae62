"""What came of rule tests, for people and for machines: text with differences, JSON, JUnit XML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from rulebook.explain import explain
from rulebook.testrun import Check, TestResult
from rulebook.units import format_duration

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Reported:
    """A result with the places of its expectations: file, and a line each."""

    result: TestResult
    file: str
    places: tuple[tuple[int, int], ...]


def report_text(reported: Sequence[Reported]) -> str:
    """Write one line for each test that passed, and all differences of those that did not."""
    lines: list[str] = []
    for entry in reported:
        result = entry.result
        failed = [check for check in result.checks if not check.passed]
        head = f"{result.test.name} (rule {result.rule.name})"
        if not failed:
            lines.append(f"ok    {head}: {_count(len(result.checks), 'expectation')}")
            continue
        lines.append(f"FAIL  {head}: {len(failed)} of {_count(len(result.checks), 'expectation')} not met")
        for check in failed:
            line, column = entry.places[check.index]
            lines.append(f"  {entry.file}:{line}:{column}: at {format_duration(check.expectation.at_s)}:")
            lines += [f"    {text}" for text in _difference_lines(check)]
    failures = sum(not entry.result.passed for entry in reported)
    lines.append(f"{_count(len(reported), 'test')}, {failures or 'none'} failed")
    return "\n".join(lines)


def report_json(reported: Sequence[Reported]) -> list[dict[str, Any]]:
    """Give results as plain data for JSON."""
    return [
        {
            "test": entry.result.test.name,
            "rule": entry.result.rule.name,
            "passed": entry.result.passed,
            "checks": [
                {
                    "file": entry.file,
                    "line": entry.places[check.index][0],
                    "at": format_duration(check.expectation.at_s),
                    "passed": check.passed,
                    "reason": check.decision.reason,
                    "differences": [
                        {"field": one.field, "expected": one.expected, "found": one.found}
                        for one in check.differences
                    ],
                }
                for check in entry.result.checks
            ],
        }
        for entry in reported
    ]


def report_junit(reported: Sequence[Reported]) -> str:
    """Write JUnit XML: a suite for each test, a case for each expectation."""
    root = ElementTree.Element("testsuites", name="tidegate rules")
    for entry in reported:
        checks = entry.result.checks
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_clean(entry.result.test.name),
            tests=str(len(checks)),
            failures=str(sum(not check.passed for check in checks)),
            errors="0",
        )
        for check in checks:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=_clean(f"{entry.result.rule.name}.{entry.result.test.name}"),
                name=f"{check.index}: at {format_duration(check.expectation.at_s)}",
                file=_clean(entry.file),
                line=str(entry.places[check.index][0]),
            )
            if not check.passed:
                message = "; ".join(
                    f"{one.field}: expected {one.expected}, got {one.found}" for one in check.differences
                )
                failure = ElementTree.SubElement(case, "failure", message=_clean(message))
                failure.text = _clean("\n".join(_difference_lines(check)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _difference_lines(check: Check) -> list[str]:
    width = max(len(one.field) for one in check.differences)
    lines = [f"{one.field:<{width}}  expected {one.expected}, got {one.found}" for one in check.differences]
    decided = format_duration(check.decided_at_s)
    return [
        *lines,
        f"decided at {decided}:",
        *(f"  {line}".rstrip() for line in explain(check.decision).split("\n")),
    ]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
