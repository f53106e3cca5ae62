"""What a decision needs of a rule and what never changes with observations: worked out once a rule, then kept."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rulebook.behavior import CONTROLLER_DOWN_WINDOW_S, Rules, fill_defaults, rules_of
from rulebook.formula import used_signals
from rulebook.ratio import Tolerance
from rulebook.rule import RuleSpec
from rulebook.signals import OnMissing, SignalSpec

MAX_KEPT: Final = 1024
FORMULA_WIDTH: Final = 80
"""How much of a formula stands in a reason, which is one line."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A rule's constants. `rules` are up and down, defaults filled in; `wakers` are the signals with `activateAbove`.

    Periods are the longest of the policies, None without behaviour: then the HPA keeps no events.
    """

    spec: RuleSpec
    rules: tuple[Rules, Rules]
    windows_s: tuple[float, float]
    periods_s: tuple[float | None, float | None]
    tolerance: Tolerance
    used: frozenset[str]
    modes: Mapping[str, OnMissing]
    wakers: tuple[SignalSpec, ...]
    formula: str
    floored: bool


def prepare(spec: RuleSpec) -> Prepared:
    """Give a rule's constants, from the shelf where this very object has been asked about before."""
    kept = _SHELF.get(id(spec))
    if kept is not None and kept.spec is spec:
        return kept
    if len(_SHELF) >= MAX_KEPT:
        _SHELF.clear()
    prepared = _prepare(spec)
    _SHELF[id(spec)] = prepared  # which holds on to `spec`, so that its id stays its own
    return prepared


_SHELF: Final[dict[int, Prepared]] = {}


def _prepare(spec: RuleSpec) -> Prepared:
    behaviour = spec.behavior
    up = fill_defaults("up", None if behaviour is None else rules_of(behaviour.scale_up))
    down = fill_defaults("down", None if behaviour is None else rules_of(behaviour.scale_down))
    names = [signal.name for signal in spec.signals]
    return Prepared(
        spec=spec,
        rules=(up, down),
        windows_s=(up.window_s or 0.0, CONTROLLER_DOWN_WINDOW_S if down.window_s is None else down.window_s),
        periods_s=(None, None) if behaviour is None else (up.longest_period_s, down.longest_period_s),
        tolerance=Tolerance(
            up=spec.tolerance if up.tolerance is None else up.tolerance,
            down=spec.tolerance if down.tolerance is None else down.tolerance,
        ),
        used=frozenset(names) if spec.decide is None else used_signals(spec.decide, names),
        modes={signal.name: signal.on_missing for signal in spec.signals},
        wakers=tuple(
            signal for signal in spec.signals if signal.activate_above is not None and spec.replicas.min == 0
        ),
        formula=textwrap.shorten(spec.decide or "", FORMULA_WIDTH, placeholder=" ..."),
        floored=bool(spec.schedule) or spec.forecast is not None,
    )
