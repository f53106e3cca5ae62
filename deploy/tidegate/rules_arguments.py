"""What several commands on rules read from their arguments, each mistake said in one line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cli_options import refuse

if TYPE_CHECKING:
    from rulebook import ScalingRule


def pick_rule(path: Path, name: str | None) -> ScalingRule:
    """Load a file or folder and take its rule, or the one that is named."""
    from rulebook import load_documents

    rules = load_documents(path).rules
    if name is not None and name in rules:
        return rules[name]
    listed = ", ".join(rules) or "none"
    if name is not None:
        refuse(f"{path} holds no rule {name} (it has {listed})")
    if len(rules) != 1:
        refuse(
            f"{path} holds {len(rules)} rules ({listed}): say which by --rule NAME"
            if rules
            else f"{path} holds no rule"
        )
    return next(iter(rules.values()))


def read_duration(text: str, option: str) -> float:
    """Read seconds."""
    from rulebook.errors import UnitError
    from rulebook.units import parse_duration

    try:
        return parse_duration(text)
    except UnitError as error:
        refuse(f"{option} {error}")


def read_time(text: str, option: str) -> datetime:
    """Read an ISO time; one without an offset is in UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        refuse(f"{option} must be a time such as 2026-12-05T09:30:00+01:00, found {text!r}")
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
