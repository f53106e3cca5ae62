"""What all signals of a rule together ask for, by formula or the highest; and what missing data forbids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rulebook.errors import FormulaError
from rulebook.formula import evaluate
from rulebook.observation import Observation
from rulebook.prepared import Prepared
from rulebook.ratio import ceil_count
from rulebook.recommend import Recommendation, Recommendations, highest


@dataclass(frozen=True, slots=True)
class Wish:
    """The count that is asked for (None: nothing asks), and why no scale-down (`hold`) or no change at all (`fail`)."""

    source: str
    replicas: int | None
    detail: str
    hold: str | None
    fail: str | None

    @property
    def blind(self) -> bool:
        """Whether data is missing that the decision needs."""
        return self.hold is not None or self.fail is not None


def combine(prepared: Prepared, observation: Observation, asked: Recommendations) -> Wish:
    """Combine the recommendations. Signals that a formula does not use forbid nothing."""
    spec, used = prepared.spec, prepared.used
    hold = fail = None
    if asked.missing:
        hold, fail = _forbidden(prepared, asked)
    if spec.decide is None:
        return _highest("signals", asked.each, "", hold, fail)
    relevant = [entry for entry in asked.each if entry.signal in used]
    if any(entry.replicas is None for entry in relevant):
        return _highest("formula", relevant, "data is missing for the formula; ", hold, fail)
    try:
        number = evaluate(
            spec.decide,
            {entry.signal: entry.replicas or 0 for entry in asked.each if entry.signal in used},
            {entry.signal: entry.value for entry in relevant if entry.value is not None},
            observation.current,
            observation.ready,
        )
    except FormulaError as error:
        return _highest("formula", relevant, f"the formula {error}; ", hold, fail)
    return Wish("formula", max(ceil_count(number), 0), f"{prepared.formula} gives {number:g}", hold, fail)


def _forbidden(prepared: Prepared, asked: Recommendations) -> tuple[str | None, str | None]:
    """Say why there is no scale-down, and why no change at all."""
    used, modes = prepared.used, prepared.modes
    missing = {name: reason for name, reason in asked.missing if name in used}
    hold = _reasons({name: reason for name, reason in missing.items() if modes[name] == "hold"})
    fail = _reasons({name: reason for name, reason in missing.items() if modes[name] == "fail"})
    if hold is None and used and len(missing) == len(used):
        hold = f"no signal at all ({_reasons(missing)})"  # whatever `onMissing` says: an outage is not an empty shop
    return hold, fail


def _highest(
    source: str, entries: Sequence[Recommendation], prefix: str, hold: str | None, fail: str | None
) -> Wish:
    top = highest(entries)
    if top is None:
        return Wish(source, None, f"{prefix}no signal asks for anything", hold, fail)
    return Wish(
        source, top.replicas, f"{prefix}{top.signal} asks for {top.replicas}: {top.detail}", hold, fail
    )


def _reasons(missing: dict[str, str]) -> str | None:
    return ", ".join(f"{name}: {reason[:200]}" for name, reason in missing.items()) or None
