"""From what is asked for to a count that may be set: missing data, stabilisation, policies, bounds. As the HPA does it."""

from __future__ import annotations

from dataclasses import dataclass

from rulebook.behavior import CONTROLLER_DOWN_WINDOW_S, Limited, limit_by_default, limit_by_policies
from rulebook.memory import Memory, TimedRecommendation
from rulebook.prepared import Prepared
from rulebook.stabilisation import Stabilised, stabilise_default, stabilise_windows
from rulebook.steps import Step


@dataclass(frozen=True, slots=True)
class Asked:
    """The count asked for, None where nothing asks; why nothing may go down (`hold`) or change at all (`fail`)."""

    replicas: int | None
    hold: str | None
    fail: str | None

    @property
    def blind(self) -> bool:
        """Whether data is missing that the decision needs."""
        return self.hold is not None or self.fail is not None


def shape(
    prepared: Prepared, current: int, asked: Asked, memory: Memory, steps: list[Step], now_s: float
) -> tuple[TimedRecommendation, ...]:
    """Add the steps from what is asked for to a count within bounds; gives the log of recommendations for the next time.

    As in the HPA, a recommendation is logged only where it comes as far as stabilisation.
    """
    limits, log = prepared.spec.replicas, memory.recommendations
    least, most = limits.min, limits.max
    if asked.fail is not None:
        steps.append(Step("fail", current, f"no change while data is missing ({asked.fail})"))
    elif current < least:
        steps.append(Step("min", least, f"{current} is below the minimum {least}"))
    elif current > most and not asked.blind:
        steps.append(Step("max", most, f"{current} is above the maximum {most}"))
    elif asked.replicas is None or (asked.hold is not None and asked.replicas < current):
        missing = asked.hold or "no signal asks for anything"
        steps.append(Step("hold", current, f"no scale-down while data is missing ({missing})"))
    else:
        stabilised = _stabilise(prepared, current, asked.replicas, log, now_s)
        log = stabilised.log
        detail = "nothing older binds" if stabilised.replicas == asked.replicas else "held by the window"
        steps.append(Step("stabilisation", stabilised.replicas, detail))
        replicas = _hold_start(prepared, current, stabilised.replicas, memory, steps, now_s)
        limited = _limit(prepared, current, replicas, memory, now_s)
        steps += _limit_steps(limited, replicas, least, most)
        if asked.blind and steps[-1].replicas < current:
            steps.append(Step("hold", current, f"no scale-down while data is missing ({asked.hold})"))
        elif current == 0 and replicas > 0:
            _wake(prepared, steps)
    return log


def start_that_binds(prepared: Prepared, memory: Memory, now_s: float) -> TimedRecommendation | None:
    """Give the count that was found at the start, as long as what came before could matter and is not remembered."""
    start = memory.at_start
    if start is None or now_s - start.at_s >= _past_that_counts_s(prepared):
        return None
    return start


def _past_that_counts_s(prepared: Prepared) -> float:
    """How far back the past bears on a scale-down: by the window, or by the policies' longest period."""
    return max(prepared.windows_s[1], prepared.periods_s[1] or 0.0)


def _hold_start(
    prepared: Prepared, current: int, desired: int, memory: Memory, steps: list[Step], now_s: float
) -> int:
    """Let nothing fall below the count found at the start; the HPA, which starts with an empty log, does let it."""
    start = start_that_binds(prepared, memory, now_s)
    least = 0 if start is None else min(current, start.replicas)
    if start is None or desired >= least:
        return desired
    left_s = start.at_s + _past_that_counts_s(prepared) - now_s
    detail = f"what came before is not remembered: no scale-down below {least} for another {left_s:.0f} s"
    steps.append(Step("start", least, detail))
    return least


def _stabilise(
    prepared: Prepared, current: int, desired: int, log: tuple[TimedRecommendation, ...], now_s: float
) -> Stabilised:
    if prepared.spec.behavior is None:
        return stabilise_default(desired, CONTROLLER_DOWN_WINDOW_S, log, now_s)
    return stabilise_windows(current, desired, *prepared.windows_s, log, now_s)


def _limit(prepared: Prepared, current: int, desired: int, memory: Memory, now_s: float) -> Limited:
    least, most = prepared.spec.replicas.min, prepared.spec.replicas.max
    if prepared.spec.behavior is None:
        return limit_by_default(current, desired, least, most)
    events = (memory.scale_up_events, memory.scale_down_events)
    return limit_by_policies(current, desired, (least, most), prepared.rules, events, now_s)


def _limit_steps(limited: Limited, before: int, least: int, most: int) -> list[Step]:
    """Tell apart what policies cut and what the bounds cut."""
    if limited.allowed < before:
        policies = f"at most {limited.limit} now"
    elif limited.allowed > before:
        policies = f"at least {limited.limit} now"
    else:
        policies = "within the limit"
    if limited.replicas < limited.allowed:
        bounds = Step("max", limited.replicas, f"the maximum is {most}")
    elif limited.replicas > limited.allowed:
        bounds = Step("min", limited.replicas, f"the minimum is {least}")
    else:
        bounds = Step("bounds", limited.replicas, f"within {least} to {most}")
    return [Step("policies", limited.allowed, policies), bounds]


def _wake(prepared: Prepared, steps: list[Step]) -> None:
    """See that percentages, which of nothing are nothing, do not keep a target asleep; `Disabled` does."""
    if steps[-1].replicas == 0 and prepared.rules[0].select != "Disabled":
        steps.append(Step("activation", 1, "the first replica is not held back by policies"))
