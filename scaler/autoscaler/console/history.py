"""What has happened lately, for people who look: the rounds of each rule, and the events worth a line.

An instrument like those for metrics and logs. It bounds what it keeps, whatever happens; `remembering` carries that over a
restart or a takeover.
"""

from __future__ import annotations

from typing import Final

from autoscaler.clock import Clock
from autoscaler.console.happenings import Happening, told
from autoscaler.console.pastrounds import ROUNDS_KEPT, Round, round_of
from autoscaler.console.trail import Trail
from autoscaler.instrumentation.events import Event, LeadershipChanged, RuleDecided, RuleRemoved

EVENTS_KEPT: Final = 400
EVENTS_OF_RULE_KEPT: Final = 100


class RuleTrails:
    """What is kept of one rule."""

    def __init__(self) -> None:
        self.rounds: Trail[Round] = Trail(ROUNDS_KEPT)
        self.happenings: Trail[Happening] = Trail(EVENTS_OF_RULE_KEPT)


class Chronicle:
    """Keeps what happened; `version` changes with each event that is heard of."""

    def __init__(self, clock: Clock) -> None:
        self.version = 0
        self._clock = clock
        self._rules: dict[str, RuleTrails] = {}
        self._others: Trail[Happening] = Trail(EVENTS_KEPT)

    def record(self, event: Event) -> None:
        """Take note of an event."""
        self.version += 1
        if isinstance(event, RuleDecided):
            self.of(event.rule).rounds.add(round_of(event))
        elif isinstance(event, RuleRemoved):
            self._rules.pop(event.rule, None)
        elif isinstance(event, LeadershipChanged) and event.leading:
            self._recall_anew()
        for happening in told(event, self._clock.now_s()):
            _note(self.of(happening.rule).happenings if happening.rule else self._others, happening)

    def of(self, rule: str) -> RuleTrails:
        """Return what is kept of a rule, by those who carry it on."""
        return self._rules.setdefault(rule, RuleTrails())

    def rounds(self, rule: str) -> tuple[Round, ...]:
        """Return the rounds of a rule, oldest first."""
        return tuple(self._rules[rule].rounds) if rule in self._rules else ()

    def happenings(self, rule: str | None = None, pool: str = "") -> tuple[Happening, ...]:
        """Return what concerns a rule or its pool, newest first; all of it without a rule."""
        named = self._rules if rule is None else self._rules.keys() & {rule}
        found = [happening for name in named for happening in self._rules[name].happenings]
        found += [
            happening
            for happening in self._others
            if rule is None or not happening.pool or happening.pool == pool
        ]
        found.sort(key=lambda happening: happening.at_s)
        return tuple(found[::-1])

    def _recall_anew(self) -> None:
        """Another may have led meanwhile."""
        for trails in self._rules.values():
            trails.rounds.recalled = trails.happenings.recalled = False


def _note(trail: Trail[Happening], happening: Happening) -> None:
    last = trail.last
    # A failure that comes again each round would push everything else out.
    if last is not None and (last.pool, last.what, last.text) == (
        happening.pool,
        happening.what,
        happening.text,
    ):
        trail.replace_last(happening)
    else:
        trail.add(happening)
