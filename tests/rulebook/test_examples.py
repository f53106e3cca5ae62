"""The examples: each is right, each has tests, all of them pass, and the linter has nothing to say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rulebook import load_documents
from rulebook.lint import lint
from rulebook.testrun import run_test
from rulebook.units import FROM_DOCUMENT

EXAMPLES = Path(__file__).parents[2] / "rules" / "examples"
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "demo")
TESTS = [(folder.name, name) for folder in FOLDERS for name in load_documents(folder).tests]
LONG_BEFORE = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


def test_there_are_at_least_eight() -> None:
    assert len(FOLDERS) >= 8


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_rule_is_named_by_a_test(folder: Path) -> None:
    documents = load_documents(folder)
    assert documents.rules
    assert {test.spec.rule for test in documents.tests.values()} == set(documents.rules)


@pytest.mark.parametrize(("folder", "name"), TESTS)
def test_a_rule_decides_as_its_test_expects(folder: str, name: str) -> None:
    documents = load_documents(EXAMPLES / folder)
    test = documents.tests[name]
    result = run_test(test, documents.rules[test.spec.rule])
    assert [(check.expectation.at_s, check.differences) for check in result.checks if not check.passed] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_linter_finds_nothing(folder: Path) -> None:
    assert [str(finding) for finding in lint(load_documents(folder), LONG_BEFORE)] == []


def test_all_of_them_load_together() -> None:
    documents = load_documents(FOLDERS)
    assert len(documents.rules) == len(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_document_survives_writing_and_reading(folder: Path) -> None:
    for loaded in load_documents(folder).loaded:
        document = loaded.document
        written = document.model_dump(mode="json", by_alias=True)
        assert type(document).model_validate(written, context={FROM_DOCUMENT: True}) == document
