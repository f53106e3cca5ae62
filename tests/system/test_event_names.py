"""Events in the logs have names of one form, so that whoever searches and alerts by them need not guess."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rules/rulebook", "queue/waitingroom", "scaler/autoscaler", "deploy/tidegate")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
NAME = re.compile(r"[a-z]+(_[a-z0-9]+)*")


def is_level(function: ast.expr) -> bool:
    """Tell whether this is `log.info`, `_log.info`, `self._log.info`, or a choice of two such."""
    if isinstance(function, ast.IfExp):
        return is_level(function.body) and is_level(function.orelse)
    return (
        isinstance(function, ast.Attribute)
        and function.attr in LEVELS
        and ast.unparse(function.value).rpartition(".")[2] in {"log", "_log"}
    )


def alternatives(argument: ast.expr) -> list[ast.expr]:
    if isinstance(argument, ast.IfExp):
        return [*alternatives(argument.body), *alternatives(argument.orelse)]
    return [argument]


def events(source: str) -> Iterator[str]:
    """Yield the name of each event which a source logs, the argument in brackets where it is no plain text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and is_level(node.func):
            for named in alternatives(node.args[0]):
                yield str(named.value) if isinstance(named, ast.Constant) else f"({ast.unparse(named)})"


def misnamed(source: str) -> list[str]:
    return [name for name in events(source) if not NAME.fullmatch(name)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_event_has_a_name_of_one_form(package: str) -> None:
    found = {
        str(path.relative_to(ROOT)): misnamed(path.read_text()) for path in (ROOT / package).rglob("*.py")
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_the_events_of_room_and_scaler_are_found() -> None:
    def named_in(path: str) -> set[str]:
        return set(events((ROOT / path).read_text()))

    assert {"upstream_failed", "buyer_gone"} <= named_in("queue/waitingroom/gate/forwarding.py")
    scaler = named_in("scaler/autoscaler/instrumentation/structured.py")
    assert {"condition", "does_not_lead", "leads", "replica_not_ready", "round_ended"} <= scaler


@pytest.mark.parametrize(
    "call",
    [
        'log.info("round ended")',
        'self._log.info(f"{name}_ended")',
        '(log.info if well else log.warning)("Ended")',
        "log.info(name)",
        'log.info("leads" if leading else "does not lead")',
    ],
)
def test_a_name_of_another_form_is_noticed(call: str) -> None:
    assert len(misnamed(call)) == 1
