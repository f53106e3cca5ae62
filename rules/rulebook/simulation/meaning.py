"""What each signal of a rule measures in the model: told by the user, or inferred from the rule's own words, or refused.

Nothing is guessed in silence: `Mapping.why` says how each was told. A name is asked first, then the source. Windows are the
source's own: a query's `[1m]`, a counter's `over`; where there is none, the default that was given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from rulebook.errors import UnitError
from rulebook.observation import Crowd, Missing, Reading, Value
from rulebook.rule import ScalingRule
from rulebook.signals import SignalSpec
from rulebook.simulation.errors import MeaningError
from rulebook.simulation.meters import Meters
from rulebook.units import parse_duration

Meaning: TypeAlias = Literal["requests", "latency", "backlog", "utilization", "inflight"]
MEANINGS: Final[tuple[Meaning, ...]] = get_args(Meaning)

_WORDS: Final[MappingType[Meaning, re.Pattern[str]]] = {
    "latency": re.compile(r"latenc|duration|response_?time|resp_?time|seconds_bucket|\bp9\d|slow"),
    "backlog": re.compile(r"backlog|queue|waiting|pending|\blag\b|_lag|depth"),
    "utilization": re.compile(r"cpu|utili[sz]ation|\bbusy|saturation"),
    "inflight": re.compile(
        r"in_?flight|in_?progress|concurren|active_(?:requests|connections)|connections|sessions"
    ),
    "requests": re.compile(r"request|\brps\b|\bqps\b|\bhits\b|visits|throughput|arrivals"),
}
_RANGE: Final = re.compile(r"\[\s*([0-9][0-9a-z.]*)\s*(?::[^\]]*)?\]")
_QUANTILE: Final = re.compile(r"(?:histogram_quantile|quantile_over_time)\s*\(\s*(0?\.\d+)")
_PERCENT_FROM: Final = 1.5
"""A utilisation target above this can only be meant in percent."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One signal and what it reads off the model; `window_s` and `quantile` count where the meaning has them."""

    signal: str
    meaning: Meaning
    window_s: float
    quantile: float
    factor: float
    share: bool
    crowd: bool
    why: str

    def read(self, meters: Meters, ready: int, now_s: float) -> Reading:
        """Read the signal as its source would give it now."""
        if self.crowd:
            backlog, arrivals = meters.waiting(), meters.requests_per_s(self.window_s)
            if backlog is None or arrivals is None:
                return Missing("nothing was measured yet", answered=True)
            return Crowd(now_s, arrivals, round(backlog))
        value = self._measure(meters, ready)
        return (
            Missing("nothing was there to be measured", answered=True)
            if value is None
            else Value(value * self.factor, now_s)
        )

    def _measure(self, meters: Meters, ready: int) -> float | None:
        match self.meaning:
            case "requests":
                return meters.requests_per_s(self.window_s)
            case "latency":
                return meters.latency_s(self.quantile, self.window_s)
            case "backlog":
                return meters.waiting()
            case "inflight":
                return meters.inflight()
            case "utilization":
                mean = meters.utilisation(self.window_s)
                return mean if mean is None or not self.share else mean * ready


def map_signals(
    rule: ScalingRule, told: MappingType[str, Meaning], window_s: float, quantile: float
) -> tuple[Mapping, ...]:
    """Say what every signal of a rule measures.

    Raises:
        MeaningError: a signal that was told does not exist, or one cannot be told.
    """
    names = [signal.name for signal in rule.spec.signals]
    for name in told:
        if name not in names:
            raise MeaningError(
                f"--signal {name}: rule {rule.name} has no such signal (it has {', '.join(names)})"
            )
    return tuple(_map(signal, told.get(signal.name), window_s, quantile) for signal in rule.spec.signals)


def _map(signal: SignalSpec, told: Meaning | None, window_s: float, quantile: float) -> Mapping:
    meaning, why = (told, "as told") if told is not None else _infer(signal)
    if signal.onsale is not None and meaning != "backlog":
        raise MeaningError(
            f"--signal {signal.name}={meaning}: the crowd before an onsale can only be a backlog"
        )
    percent = (
        meaning == "utilization" and signal.reference > _PERCENT_FROM and signal.target_value is not None
    )
    return Mapping(
        signal=signal.name,
        meaning=meaning,
        window_s=_window_s(signal, window_s),
        quantile=_quantile(signal, quantile),
        factor=100.0 if percent else 1.0,
        share=signal.per_replica is not None,
        crowd=signal.onsale is not None,
        why=why + (", in percent by its target" if percent else ""),
    )


def _infer(signal: SignalSpec) -> tuple[Meaning, str]:
    if signal.onsale is not None:
        raise MeaningError(
            f"signal {signal.name} reads the waiting room of onsale {signal.onsale.name}, which a trace of requests does "
            f"not have: --signal {signal.name}=backlog takes the requests that wait for the service as that crowd"
        )
    found = [meaning for meaning in MEANINGS if _WORDS[meaning].search(_words(signal.name))]
    if len(found) == 1:
        return found[0], "by its name"
    text, source = _source_text(signal)
    below = [meaning for meaning in MEANINGS if _WORDS[meaning].search(text)]
    if source == "histogram" or "histogram_quantile" in text:
        below = ["latency"]  # whatever is counted in its buckets
    elif source == "counter":
        below = [meaning for meaning in below if meaning == "requests"]
    elif source == "gauge":
        below = [meaning for meaning in below if meaning not in {"requests", "latency"}]
    elif "rate(" in text and "requests" in below and "utilization" not in below:
        below = ["requests"]
    if len(below) == 1:
        return below[0], f"by its {source}"
    doubt = f"could be {' or '.join(below)}" if below else "says nothing of what it measures"
    raise MeaningError(
        f"signal {signal.name} {doubt}: give --signal {signal.name}=MEANING, one of {', '.join(MEANINGS)}"
    )


def _source_text(signal: SignalSpec) -> tuple[str, str]:
    if signal.prometheus is not None:
        return signal.prometheus.query.lower(), "query"
    page = signal.exposition
    assert page is not None  # noqa: S101  # onsale signals were dealt with, and a signal has one source
    kind = "gauge" if page.gauge else "counter" if page.counter else "histogram"
    return _words(page.gauge or page.counter or page.histogram or ""), kind


def _words(name: str) -> str:
    """Turn `httpRequests` into `http_requests`, so that words in names can be found."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _window_s(signal: SignalSpec, default_s: float) -> float:
    if signal.exposition is not None:
        return default_s if signal.exposition.gauge is not None else signal.exposition.over_s
    ranges = _RANGE.findall(signal.prometheus.query) if signal.prometheus is not None else []
    try:
        return max((parse_duration(text) for text in ranges), default=default_s)
    except UnitError:
        return default_s


def _quantile(signal: SignalSpec, default: float) -> float:
    if signal.exposition is not None:
        return signal.exposition.quantile or default
    match = _QUANTILE.search(signal.prometheus.query) if signal.prometheus is not None else None
    return float(match[1]) if match is not None and float(match[1]) > 0 else default
