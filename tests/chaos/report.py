"""What is told of sales that went wrong: a line while they are played, a JSON line for each, a page with the worst of each."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from tests.chaos.effects import Effect
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.sale import REPLICAS, site_capacity, site_ceiling
from tests.chaos.verdict import (
    RECOVERED_SHARE,
    SETTLED_AFTER_S,
    WINDOW_S,
    Verdict,
    Violation,
    hidden_standstill_s,
)
from tidegate.demo.sampling import EVERY_S

_EVIDENCE_INDENT = "\n      "
_COUNTED = ("lost_places", "double_claims", "order_violations", "over_admitted")
_MEASURED = (*_COUNTED, "target_per_s", "share_during", "recovery_s", "first_turn_s", "most_inside")
_ADDED_LATER = {"first_turn_s": None, "most_inside": None}
"""What lines written by earlier versions lack."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and when a sale was played. `load` is the machine's, averaged over the last minute of the sale."""

    date: str
    machine: str
    load: float


def setting_now() -> Setting:
    """Return the setting of a sale that has just ended."""
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return Setting(f"{datetime.now(UTC):%Y-%m-%d}", machine, round(os.getloadavg()[0], 1))


@dataclass(frozen=True, slots=True)
class Played:
    """One sale, or why it was not played.

    `replaced` says why its result does not count and another sale was played in its stead; it is told of all the same.
    `kept_in` is the folder with its logs and records, where there is one.
    """

    fault: Fault
    seed: int
    verdict: Verdict | None = None
    skipped: str = ""
    broken_off: str = ""
    setting: Setting | None = None
    replaced: str = ""
    kept_in: str = ""

    @property
    def held(self) -> bool:
        """Whether it was played and no promise was broken."""
        return self.verdict is not None and self.verdict.held


def line_of(one: Played) -> str:
    """Return the sale as a JSON object in one line."""
    fields: dict[str, object] = {"fault": one.fault.name, "seed": one.seed, "held": one.held}
    if one.skipped:
        fields["skipped"] = one.skipped
    if one.broken_off:
        fields["broken_off"] = one.broken_off
    if one.replaced:
        fields["replaced"] = one.replaced
    if one.kept_in:
        fields["kept_in"] = one.kept_in
    if one.setting is not None:
        fields["setting"] = asdict(one.setting)
    verdict = one.verdict
    if verdict is not None:
        fields |= {
            **{name: _rounded(getattr(verdict, name)) for name in _MEASURED},
            "violations": [
                {"promise": each.promise, "count": each.count, "evidence": each.evidence}
                for each in verdict.violations
            ],
        }
        if verdict.effect is not None:
            fields |= {"took_hold": verdict.effect.took_hold, "seen_of_fault": verdict.effect.seen}
    return json.dumps(fields)


def read_line(line: str) -> Played:
    """Return the sale that `line_of` wrote down.

    Raises:
        KeyError, ValueError: it is not such a line, or of another version.
    """
    fields = json.loads(line)
    verdict = None
    if "lost_places" in fields:
        violations = tuple(
            Violation(each["promise"], each["count"], tuple(each["evidence"]))
            for each in fields["violations"]
        )
        measured = _ADDED_LATER | fields
        effect = Effect(fields["took_hold"], fields["seen_of_fault"]) if "took_hold" in fields else None
        verdict = Verdict(violations, **{name: measured[name] for name in _MEASURED}, effect=effect)
    return Played(
        FAULTS[fields["fault"]],
        fields["seed"],
        verdict,
        skipped=fields.get("skipped", ""),
        broken_off=fields.get("broken_off", ""),
        setting=Setting(**fields["setting"]) if "setting" in fields else None,
        replaced=fields.get("replaced", ""),
        kept_in=fields.get("kept_in", ""),
    )


def told(one: Played) -> str:
    """Say in a line how a sale went; of each broken promise, what was seen, and where more of it is to be found."""
    kept = f"\n  kept in {one.kept_in}" if one.kept_in else ""
    head = f"{one.fault.name:24} seed {one.seed}: "
    if one.skipped:
        return f"{head}skipped: {one.skipped}"
    verdict = one.verdict
    if verdict is None:
        return f"{head}BROKEN OFF: {one.broken_off}{kept}"
    text = (
        f"{head}{_outcome(verdict)}; {_seen(verdict)}; released meanwhile {_share(verdict.share_during)}, "
        f"first turn after {_turn(verdict.first_turn_s)}, back after {_seconds(verdict.recovery_s)}"
    )
    for each in verdict.violations:
        evidence = "".join(_EVIDENCE_INDENT + line for line in each.evidence)
        text += f"\n  BROKEN: {each.promise}: {each.count} times{evidence}"
    return text + kept


def page(played: Sequence[Played], origin: str) -> str:
    """Return the page: of each fault the worst that any seed showed, and every sale that did not hold.

    `origin` says how the sales came to be played, in one or more whole sentences.
    """
    by_fault: dict[str, list[Played]] = {}
    for one in played:
        if not one.replaced:
            by_fault.setdefault(one.fault.name, []).append(one)
    ceiling = site_ceiling()
    return _PAGE.format(
        origin=f"{origin} {_settings(played)}",
        rows="\n".join(_row(sales) for sales in by_fault.values()),
        failures=_failures(played),
        replicas=REPLICAS,
        ceiling=ceiling.rate_per_s,
        capacity=site_capacity().sessions,
        hidden=f"{hidden_standstill_s(ceiling):.2f}",
        looks=f"{1 / EVERY_S:g}",
        two_looks=f"{2 * EVERY_S:g}",
        share=f"{RECOVERED_SHARE:.0%}",
        window=f"{WINDOW_S:g}",
        settled=f"{SETTLED_AFTER_S:g}",
    )


def _outcome(verdict: Verdict) -> str:
    if verdict.effect is not None and not verdict.effect.took_hold:
        return "FAULT DID NOT TAKE HOLD"
    return "held" if verdict.held else "BROKEN"


def _seen(verdict: Verdict) -> str:
    return "not looked at" if verdict.effect is None else verdict.effect.seen


def _worst_seen(verdicts: Sequence[Verdict]) -> str:
    """Say what was seen of a fault by the sale in which least of it was."""
    of_none = [one for one in verdicts if one.effect is None]
    of_nothing = [one for one in verdicts if one.effect is not None and not one.effect.took_hold]
    return _seen((of_nothing or of_none or list(verdicts))[0])


def _settings(played: Sequence[Played]) -> str:
    """Say on what, when and beside how much other work sales were played: what each wrote down, not what holds now."""
    sales = [one for one in played if not one.skipped]
    known = [one.setting for one in sales if one.setting is not None]
    said = [f"{len(sales)} sale{'' if len(sales) == 1 else 's'}"]
    if known:
        loads = sorted({setting.load for setting in known})
        load = f"{loads[0]:.1f}" if len(loads) == 1 else f"{loads[0]:.1f} to {loads[-1]:.1f}"
        said += sorted({setting.machine for setting in known})
        said += [", ".join(sorted({setting.date for setting in known}))]
        said += [f"load average in the last minute of each {load}"]
    if len(known) < len(sales):
        said.append(f"the load was not written down for {len(sales) - len(known)} of them")
    return "; ".join(said) + "."


def _failures(played: Sequence[Played]) -> str:
    failed = [one for one in played if one.replaced or not (one.held or one.skipped)]
    if not failed:
        return "Every sale that was played held."
    lines = ["Sales that did not hold:", ""]
    for one in failed:
        violations = one.verdict.violations if one.verdict is not None else ()
        what = [f"{each.promise}: {each.count} times ({'; '.join(each.evidence[:1])})" for each in violations]
        if one.broken_off:
            what.append(f"broken off: {one.broken_off.splitlines()[0]}")
        kept = f" Its logs and records: `{one.kept_in}`." if one.kept_in else ""
        because = f" Not counted above: {one.replaced}." if one.replaced else ""
        lines.append(
            f"- `{one.fault.name}`, seed {one.seed}: {', '.join(what) or 'nothing was broken'}.{because}{kept}"
        )
    return "\n".join(lines)


def _row(sales: Sequence[Played]) -> str:
    fault = sales[0].fault
    verdicts = [one.verdict for one in sales if one.verdict is not None]
    seeds = ", ".join(str(one.seed) for one in sales)
    head = f"| `{fault.name}` | {fault.title}"
    if not verdicts:
        return f"{head} | | {seeds} | {sales[0].skipped or 'broken off'} | | | | | | | |"
    recovery = _worst((verdict.recovery_s for verdict in verdicts), max)
    turn = _worst((verdict.first_turn_s for verdict in verdicts), max)
    share = _worst((verdict.share_during for verdict in verdicts), min)
    inside = _worst((verdict.most_inside for verdict in verdicts), max)
    counts = [max(getattr(verdict, name) for verdict in verdicts) for name in _COUNTED]
    others = sorted({each.promise for verdict in verdicts for each in verdict.violations})
    note = f" **Broken: {'; '.join(others)}.**" if others else ""
    if len(verdicts) < len(sales):
        note += f" **{len(sales) - len(verdicts)} of {len(sales)} were broken off.**"
    return (
        f"{head}{note} | {_worst_seen(verdicts)} | {seeds} "
        f"| {_share(share)} | {_turn(turn)} | {_seconds(recovery)} | {_count(inside)} "
        f"| {' | '.join(map(str, counts))} |"
    )


def _worst(values: Iterable[float | None], pick: Callable[[list[float]], float]) -> float | None:
    """Pick among values; one that could not be measured is the worst."""
    found = list(values)
    known = [value for value in found if value is not None]
    return pick(known) if len(known) == len(found) else None


def _rounded(value: float | None) -> float | None:
    return round(value, 2) if isinstance(value, float) else value


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _turn(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} s"


def _count(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


_PAGE = """\
# What a sale survives

Each line below is a fault in the middle of a running sale: real processes (a room of two workers, a gate of two, two \
scalers that share a lease, a shop of two replicas, a Valkey), a crowd of simulated buyers over real HTTP, and the \
fault done to them by signals, by the store's own settings, or by a relay in the network. The sale then goes on until \
everybody who stayed is served. What came of it is counted from outside, from what buyers saw, what the shop logged \
and what the room tells in public:

- *lost*: buyers who were given another number or position, or were told that they hold no place;
- *twice*: places for which more than one session was seen;
- *order*: buyers called while somebody further ahead was still told to wait;
- *too many*: sessions in the shop beyond the bucket and the integral of the rate since the opening, or positions \
released in any stretch of time beyond bucket, rate and what was given back, or buyers inside at once beyond the capacity, \
whichever is most. The rate is what the room tells, as it falls with each fault, but never counts for more than the {replicas} \
replicas can take ({ceiling:g}/s). The capacity is what those replicas are set to ({capacity} sessions); only where the room \
had no fresh target of the scaler may more come in, a bucketful and then the fallback rate. These may stay to the end of the \
sale and are allowed for until then, so that later crowding by no more than as many does not show.

*Seen of it* is what shows that the fault took hold, looked at while it lasted, in the sale in which least was seen: processes \
by their state, a store by what it refused, a network by a ping and by what passed through all the same. A fault that did not \
take hold has shown nothing, and its sale does not count as one that held. *Inside* is how many buyers were let in and had not \
paid yet, at the most.

Besides, everybody who stays has to be served, no number and no position may be told to two buyers, nobody may be in the shop \
without a session, nobody inside may be turned away by the gate, or meet a failure of its where the fault leaves gate and shop \
alone, no session may have two users, and no process may log a traceback.

*Meanwhile* is how much of the rate was released while the fault lasted. The times are by the store's clock, from the \
end of the fault, which is when all that others than Tidegate have to do was done (the process started again or thawed, \
the network mended, the disk emptied):

- *first turn*: how long the line stood still, until a turn was told again. The room's count is looked at {looks} times a \
second, so that this reads up to two looks longer than it was ({two_looks} s where the room answers at once) and never \
shorter, also where the line did not stand still at all;
- *recovery*: until at least {share} of the rate is released again, measured over {window} s, and stays so: a dip within \
{settled} s after the fault belongs to it. A bucket that was full makes up for a standstill of up to {hidden} s, which \
shows only as a late first turn, and not at all where it begins later.

Of several seeds the worst counts.

| fault | what happens | seen of it | seeds | meanwhile | first turn | recovery | inside | lost | twice | order | too many |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}

{origin} A seed decides who comes when, when the fault falls, and \
which process it hits. On a machine that is busy with other work the times are longer than they need be; what is \
counted must hold all the same.

{failures}

## How to read it

- **The store comes back empty**: every process first tells which sessions it knows to be live, then the release \
begins anew, at the fallback rate until the scaler has written its next target.
- **The gate is away**: those inside can neither go on nor pay, so the shop fills up to its capacity ({capacity} sessions here), \
and then nobody else is let in until the gate serves again. With one gate that is the time which a process takes to \
start: run two.
- **The leading scaler is killed**: the replicas of a local pool die with it, so that what is measured is its \
successor (a lease of 3 s has to run out) and the start of a whole shop. In Kubernetes pods outlive the scaler.
- **The store is full, read-only or alone**: nothing is lost, and nobody is let in; buyers inside go on shopping. The \
release begins again by itself, with one bucketful.
- **The store or the network was away for longer than the lease of the scalers**: the leader goes on in its office, \
and so does its shop; until its next target arrives, the fallback rate applies.

`make chaos` plays them all with one seed, `make chaos ARGS="--only store-killed --seeds 1 2 3"` some of them; \
`--skip` leaves some \
out, `--minutes 10` begins no other fault after ten minutes, `--list` names them. The exit status is 1 if a \
promise was broken, a fault did not take hold, or not all was played that was asked for (the last line names it); what the \
buyers concerned saw is printed. Logs and records of a sale that was broken off or did not hold are kept in a folder which its \
line names, those of all sales with `--keep DIR`. The disk can only be filled by root: others leave that out with \
`--skip disk-full`.

`make soak` looks at another question, whether anything grows in a long sale: [what came of it](soak.md).
"""
