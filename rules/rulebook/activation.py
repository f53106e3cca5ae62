"""From zero and back: which signals wake a target that may be at 0 replicas, and when it is idle.

Only with `replicas.min: 0`. Signals with `activateAbove` decide together:

- *active*: one of them is above its `activateAbove` -> at least one replica, whatever the rest of the rule asks for;
- *idle*: all of them are read and none is above -> 0 replicas, even where a share would still round up to one. The
  count falls through stabilisation and policies like any other: the scale-down window is the time a target stays up
  after the last work (300 s by default);
- *unknown*: data is missing and none is above -> nothing is woken, and what runs keeps at least one replica.

A signal that is missing counts by its `onMissing`: `zero` as 0, `ignore` takes no part; while its source fails, nothing
is put to sleep. Where no signal has
`activateAbove`, the recommendations alone decide: zero is reached when every one of them is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from rulebook.prepared import Prepared
from rulebook.recommend import Recommendation


@dataclass(frozen=True, slots=True)
class Activation:
    """The count after waking or idling, None where nothing is asked for; why."""

    replicas: int | None
    detail: str


def activate(
    prepared: Prepared, asked: int | None, current: int, recommendations: tuple[Recommendation, ...]
) -> Activation:
    """Wake, idle or leave alone; to be asked only where there are `wakers`."""
    by_name = {entry.signal: entry for entry in recommendations}
    unread, quiet = [], []
    for signal in prepared.wakers:
        above = signal.activate_above or 0.0
        value = by_name[signal.name].value
        if value is None:
            if prepared.modes[signal.name] != "ignore":
                unread.append(signal.name)
        elif value > above:
            return Activation(max(asked or 0, 1), f"active: {signal.name} {value:.4g} is above {above:g}")
        else:
            quiet.append(f"{signal.name} {value:.4g} is not above {above:g}")
    if unread:
        detail = f"unknown: {', '.join(unread)} missing, nothing is woken or put to sleep"
        return Activation(None if asked is None or current == 0 else max(asked, 1), detail)
    if not quiet:
        return Activation(asked, "unknown: no signal that wakes is there")
    return Activation(0, f"idle: {', '.join(quiet)}")
