"""What all signals of a rule together ask for, by formula or the highest; and what missing data forbids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rulebook.errors import FormulaError
from rulebook.formula import evaluate
from rulebook.observation import Observation
from rulebook.prepared import Prepared
from rulebook.ratio import ceil_count
from rulebook.recommend import Recommendation, Recommendations, highest

_DOES_WITHOUT: Final = frozenset({"ignore", "zero"})
"""What `onMissing` says of signals that the rule can do without."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The count that is asked for (None: nothing asks), and why no scale-down (`hold`) or no change at all (`fail`).

    `unheard` forbids a scale-down too, for sources which fail though the rule can do without what they tell: it is not blind.
    """

    source: str
    replicas: int | None
    detail: str
    hold: str | None
    fail: str | None
    unheard: str | None = None

    @property
    def blind(self) -> bool:
        """Whether data is missing that the decision needs."""
        return self.hold is not None or self.fail is not None


def combine(prepared: Prepared, observation: Observation, asked: Recommendations) -> Wish:
    """Combine the recommendations. Signals that a formula does not use forbid nothing."""
    spec, used = prepared.spec, prepared.used
    hold = fail = unheard = None
    if asked.missing:
        hold, fail, unheard = _forbidden(prepared, asked)
    if spec.decide is None:
        return _highest("signals", asked.each, "", hold, fail, unheard)
    relevant = [entry for entry in asked.each if entry.signal in used]
    if any(entry.replicas is None for entry in relevant):
        return _highest("formula", relevant, "data is missing for the formula; ", hold, fail, unheard)
    try:
        number = evaluate(
            spec.decide,
            {entry.signal: entry.replicas or 0 for entry in asked.each if entry.signal in used},
            {entry.signal: entry.value for entry in relevant if entry.value is not None},
            observation.current,
            observation.ready,
        )
    except FormulaError as error:
        return _highest("formula", relevant, f"the formula {error}; ", hold, fail, unheard)
    return Wish(
        "formula", max(ceil_count(number), 0), f"{prepared.formula} gives {number:g}", hold, fail, unheard
    )


def _forbidden(prepared: Prepared, asked: Recommendations) -> tuple[str | None, str | None, str | None]:
    """Say why there is no scale-down, why no change at all, and which sources are not heard."""
    used, modes, fallback = prepared.used, prepared.modes, prepared.spec.fallback
    missing = {name: gap.reason for name, gap in asked.missing if name in used}
    hold = _reasons({name: reason for name, reason in missing.items() if modes[name] == "hold"})
    fail = _reasons({name: reason for name, reason in missing.items() if modes[name] == "fail"})
    if hold is None and used and len(missing) == len(used):
        hold = f"no signal at all ({_reasons(missing)})"  # whatever `onMissing` says: an outage is not an empty shop
    unheard = None
    if fallback is None or not fallback.may_scale_down:
        gaps = {name: gap.reason for name, gap in asked.missing if name in missing and not gap.answered}
        unheard = _reasons({name: reason for name, reason in gaps.items() if modes[name] in _DOES_WITHOUT})
    return hold, fail, unheard


def _highest(
    source: str,
    entries: Sequence[Recommendation],
    prefix: str,
    hold: str | None,
    fail: str | None,
    unheard: str | None,
) -> Wish:
    top = highest(entries)
    if top is None:
        return Wish(source, None, f"{prefix}no signal asks for anything", hold, fail, unheard)
    return Wish(
        source,
        top.replicas,
        f"{prefix}{top.signal} asks for {top.replicas}: {top.detail}",
        hold,
        fail,
        unheard,
    )


def _reasons(missing: dict[str, str]) -> str | None:
    return ", ".join(f"{name}: {reason[:200]}" for name, reason in missing.items()) or None
