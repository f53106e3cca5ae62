"""One decision of a rule for readings that a person writes down: `requests=400`, `latency=450ms`, `crowd=2000,5/s`.

Or for those that a running scaler has, which come as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from rulebook.decision import Decision, decide
from rulebook.errors import RulebookError, UnitError, shorten
from rulebook.loading import Documents
from rulebook.memory import Memory
from rulebook.observation import Crowd, Missing, Observation, OnsaleTimes, Reading, Value
from rulebook.rule import ScalingRule
from rulebook.units import parse_amount
from rulebook.validation import closest

_GAPS: Final = ("missing", "failed")
"""No number, as the source has none, or as it does not answer."""


class TrialError(RulebookError, ValueError):
    """What was written down names no signal, or says nothing that can be read."""


@dataclass(frozen=True, slots=True)
class TrialInput:
    """What a person wrote down; `ready` None means all, `at` None means now.

    `readings` are a scaler's, by signal, and count as read at that moment.
    """

    values: tuple[str, ...] = ()
    crowds: tuple[str, ...] = ()
    current: int = 1
    ready: int | None = None
    at: str | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)


def try_rule(documents: Documents, name: str | None, given: TrialInput, now_s: float) -> Decision:
    """Decide once, without memory. Onsales among the documents give their times.

    Raises:
        TrialError: the rule is not there, or something written down cannot be read.
    """
    rule = pick_rule(documents, name)
    if given.at is not None:
        now_s = _moment(given.at)
    opens = {
        name: None if onsale.spec.opens is None else onsale.spec.opens.timestamp()
        for name, onsale in documents.onsales.items()
    }
    kinds = {signal.name: signal.onsale for signal in rule.spec.signals}
    readings: dict[str, Reading] = {}
    for signal, text in _pairs(given.values, rule):
        gap = text in _GAPS
        if kinds[signal] is not None and not gap:
            raise TrialError(f"{signal} reads a crowd: write --crowd {signal}=BACKLOG,ARRIVALS/s")
        if gap:
            readings[signal] = Missing("as written", answered=text == "missing")
        else:
            readings[signal] = Value(_amount(signal, text), now_s)
    for signal, text in _pairs(given.crowds, rule):
        onsale = kinds[signal]
        if onsale is None:
            raise TrialError(f"{signal} reads no crowd: write --value {signal}=...")
        parts = [_amount(signal, part) for part in text.split(",")]
        if not 1 <= len(parts) <= 3:
            raise TrialError(f"{signal}: must be BACKLOG[,ARRIVALS/s[,SESSIONS]], found {shorten(text)}")
        arrivals_per_s = parts[1] if len(parts) > 1 else 0.0
        sessions = int(parts[2]) if len(parts) > 2 else None
        readings[signal] = Crowd(now_s, arrivals_per_s, int(parts[0]), opens.get(onsale.name), sessions)
    for signal, reading in given.readings.items():
        _known(signal, rule)
        readings[signal] = reading if isinstance(reading, Missing) else replace(reading, at_s=now_s)
    observation = Observation(
        given.current,
        given.current if given.ready is None else given.ready,
        readings,
        {name: OnsaleTimes(opens_at_s) for name, opens_at_s in opens.items()},
    )
    return decide(rule, observation, Memory(), now_s)


def pick_rule(documents: Documents, name: str | None) -> ScalingRule:
    """Give the rule of a name, or the only one there is.

    Raises:
        TrialError: there is none of that name, or no name was given and there are several.
    """
    known = ", ".join(documents.rules) or "none"
    if name is None and len(documents.rules) == 1:
        return next(iter(documents.rules.values()))
    if name is None and not documents.rules:
        raise TrialError("there is no ScalingRule in these documents")
    if name is None:
        raise TrialError(f"name one rule by --rule; there are: {known}")
    if name not in documents.rules:
        raise TrialError(f"there is no rule {shorten(name)}; there are: {known}")
    return documents.rules[name]


def _pairs(entries: tuple[str, ...], rule: ScalingRule) -> Iterator[tuple[str, str]]:
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not equals:
            raise TrialError(f"must be SIGNAL=..., found {shorten(entry)}")
        _known(name, rule)
        yield name, text.strip()


def _known(name: str, rule: ScalingRule) -> None:
    names = [signal.name for signal in rule.spec.signals]
    if name not in names:
        meant = closest(name, names)
        hint = f"; did you mean {meant}?" if meant else ""
        raise TrialError(f"{shorten(name)} is none of the signals ({', '.join(names)}){hint}")


def _amount(signal: str, text: str) -> float:
    try:
        return parse_amount(text)
    except UnitError as error:
        raise TrialError(f"{signal}: {error}") from error


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise TrialError(f"must be a time such as 2026-12-05T09:55:00+01:00, found {shorten(text)}")
    return moment.timestamp()
