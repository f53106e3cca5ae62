"""One step of a decision, as it is listed and explained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision: the count it leaves, and why."""

    name: str
    replicas: int
    detail: str
