"""A module which says of itself that it is pure is held to that by import-linter (`make lint`)."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rules/rulebook", "queue/waitingroom", "scaler/autoscaler", "deploy/tidegate")
IMPURE = {"aiohttp", "redis", "asyncio", "yaml", "prometheus_client", "kubernetes_asyncio", "structlog"}
CLAIM = re.compile(r"\bPure\b|[;:] pure\b")


def module_name(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def claims_purity(source: str) -> bool:
    return CLAIM.search(ast.get_docstring(ast.parse(source)) or "") is not None


def held_pure() -> set[str]:
    """Return the modules, and packages with all below them, of which contracts forbid all that is impure."""
    contracts: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
        "importlinter"
    ]["contracts"]
    return {
        module
        for contract in contracts
        if contract["type"] == "forbidden"
        and set(contract["forbidden_modules"]) >= IMPURE
        # With either of these, a module may reach by others what it may not import itself.
        and not contract.get("allow_indirect_imports")
        and "ignore_imports" not in contract
        for module in contract["source_modules"]
    }


def is_held(module: str, held: set[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:count]) in held for count in range(1, len(parts) + 1))


@pytest.mark.parametrize("package", PACKAGES)
def test_whatever_calls_itself_pure_stands_in_a_contract(package: str) -> None:
    held, folder = held_pure(), (ROOT / package).parent
    claiming = [
        module_name(path, folder)
        for path in sorted((ROOT / package).rglob("*.py"))
        if claims_purity(path.read_text())
    ]
    assert claiming, "no module says that it is pure: the test no longer sees how they say it"
    assert [module for module in claiming if not is_held(module, held)] == []


@pytest.mark.parametrize(
    ("docstring", "claims"),
    [
        ("Reads a code. Pure.", True),
        ("Reads a code.\n\nPure: time is an argument.", True),
        ("Reads a code; pure, and the same everywhere.", True),
        ("Draws a line: pure geometry.", True),
        ("Answers by the pure modules above.", False),
        ("Reads a code.", False),
    ],
)
def test_a_claim_is_known_by_its_words(docstring: str, claims: bool) -> None:
    assert claims_purity(f'"""{docstring}"""') is claims
