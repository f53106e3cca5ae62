"""What is worth checking before an onsale: the store keeps its data, keys are there, clocks agree, rules speak, limits and
budgets fit together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rulebook import Onsale
from rulebook.coupling import US_PER_S
from waitingroom.errors import KeysUnavailable, StoreUnavailable
from waitingroom.joining import joining_begins_at_s
from waitingroom.polling import LONGEST_LINE, budget_for, largest_draw, longest_line
from waitingroom.reach import course_of
from waitingroom.room import Room
from waitingroom.roomsettings import room_settings
from waitingroom.ruletargets import RuleTarget
from waitingroom.snapshot import Snapshot
from waitingroom.store.operations import OnsaleOperations
from waitingroom.web.admin_documents import Check, Preflight

Result = Literal["pass", "warn", "fail"]

SKEW_WARNS_S = 5.0
SKEW_FAILS_S = 30.0
_RULE_MISSED_S = 60.0  # as the bucket has it: a rule so long silent doesn't count while another one speaks
_EXPECTED_S = 3600.0
_ORDER: tuple[Result, ...] = ("pass", "warn", "fail")


async def preflight(room: Room, operations: OnsaleOperations) -> Preflight:
    """Ask the store, and check all."""
    checks: list[Check] = []
    try:
        server = await operations.server()
        asked_s = time.time()
        stored = await operations.settings()
        checks += [
            Check(name="store", result="pass", detail="answers"),
            check_persistence(server, await operations.snapshots_schedule()),
            check_memory_policy(server),
            check_clock(float(server["time_s"]) - asked_s),
            check_settings(room_settings(room.onsale), stored),
            check_operators(room.name, stored, float(server["time_s"])),
            check_rules(await operations.targets(), stored, float(server["time_s"])),
            check_line(room.onsale, room.snapshot, float(server["time_s"])),
        ]
    except StoreUnavailable as error:
        checks.append(Check(name="store", result="fail", detail=str(error)))
    checks += [check_keys(room), check_draw(room), check_headroom(room), check_polling(room)]
    if room.onsale.spec.entry == "token":
        checks.append(await check_invitations(room))
    worst = max((check.result for check in checks), key=_ORDER.index)
    return Preflight(onsale=room.name, result=worst, checks=checks)


def check_persistence(server: Mapping[str, Any], schedule: str | None) -> Check:
    """An append-only file loses a second at most, snapshots lose minutes, and without either a restart loses everything."""
    if server.get("aof_enabled"):
        written = str(server.get("aof_last_write_status", "ok"))
        if written == "ok":
            return _check("persistence", "pass", "append-only file is on")
        return _check("persistence", "fail", f"the last write of the append-only file failed: {written}")
    if schedule:
        saved = str(server.get("rdb_last_bgsave_status", "ok"))
        if saved == "ok":
            return _check("persistence", "warn", "snapshots only: minutes may be lost; set appendonly yes")
        return _check("persistence", "fail", f"the last snapshot failed: {saved}")
    if schedule is None:
        detail = "append-only file is off, and CONFIG GET save is not allowed to this user"
        return _check("persistence", "warn", detail)
    return _check("persistence", "fail", "neither append-only file nor snapshots: set appendonly yes")


def check_memory_policy(server: Mapping[str, Any]) -> Check:
    """A store which evicts would throw lines away; one which is full refuses, and says so."""
    policy = str(server.get("maxmemory_policy", "unknown"))
    if policy == "noeviction":
        return _check("memory", "pass", "maxmemory-policy is noeviction")
    return _check("memory", "fail", f"maxmemory-policy is {policy}: lines could be evicted; set noeviction")


def check_clock(skew_s: float) -> Check:
    """Compare the store's clock, which counts for the line, with this host's, which counts for passes."""
    size = abs(skew_s)
    result: Result = "fail" if size >= SKEW_FAILS_S else "warn" if size >= SKEW_WARNS_S else "pass"
    side = "ahead of" if skew_s > 0 else "behind"
    return _check("clock", result, f"the store's clock is {size:.1f} s {side} this host's")


def check_settings(wanted: Mapping[str, str], stored: Mapping[str, str]) -> Check:
    """Compare the document with what the store goes by."""
    if not stored:
        return _check("settings", "fail", "the store knows nothing of this onsale yet")
    different = sorted(name for name, value in wanted.items() if stored.get(name, "") != value)
    if not different:
        return _check("settings", "pass", "the store goes by the document")
    return _check("settings", "fail", f"the store differs from the document in {', '.join(different)}")


def check_operators(onsale: str, stored: Mapping[str, str], now_s: float) -> Check:
    """Find what operators have set, in a rehearsal perhaps: it outlives a reload of the document and a restart.

    `stored` is the room hash, `now_s` the store's time in Unix seconds.
    """
    shut, bound = [], []
    if stored.get("hold"):
        shut.append(f"on hold ({stored['hold']}): tidegate onsale resume {onsale}")
    if stored.get("soldout"):
        shut.append(f"sold out: tidegate onsale soldout {onsale} --undo")
    if stored.get("ops_closes_us"):
        shut.append(f"closed by an operator: tidegate onsale close {onsale} --as-documented")
    elif 0 < float(stored.get("closes_us") or 0) <= now_s * US_PER_S:
        shut.append("closed, as the document says: write a later closes there")
    if stored.get("ops_prequeue_us") or stored.get("ops_opens_us"):
        bound.append(f"opened by an operator: tidegate onsale open {onsale} --as-documented")
    if stored.get("ops_rate"):
        bound.append(f"bound to {stored['ops_rate']}/s: tidegate onsale rate {onsale} none")
    if stored.get("ops_capacity"):
        request = f'POST /admin/v1/onsales/{onsale}/capacity with {{"capacity": null}} takes it back'
        bound.append(f"bound to a capacity of {stored['ops_capacity']}: {request}")
    if stored.get("message"):
        bound.append(f"shows a message ({stored['message']}): take it back in the console")
    if not shut and not bound:
        return _check("operators", "pass", "nothing is set over the document")
    return _check("operators", "fail" if shut else "warn", "; ".join(shut + bound))


def check_line(onsale: Onsale, snapshot: Snapshot | None, now_s: float) -> Check:
    """Find places of a rehearsal, or of an earlier sale under this name: they would stand before everybody's.

    `now_s` is the store's time in Unix seconds.
    """
    issued = snapshot.tail if snapshot is not None else 0
    begins_at_s = joining_begins_at_s(onsale, snapshot)
    if not issued or begins_at_s is None or now_s >= begins_at_s:
        return _check("line", "pass", f"{issued} places have been given out")
    detail = (
        f"{issued} places were given out before joining begins, of a rehearsal or an earlier sale: they stand before everybody. "
        f"Stop the room, delete all keys {{{onsale.name}}}:* in the store, start it again"
    )
    return _check("line", "warn", detail)


def check_rules(targets: Iterable[RuleTarget], stored: Mapping[str, str], now_s: float) -> Check:
    """Find rules that have fallen silent: at the opening the room would be at the fallback rate.

    `targets` are the scaler's, oldest first, `stored` is the room hash, `now_s` the store's time in Unix seconds.
    """
    begun = {target.rule: target for target in targets if target.from_s <= now_s}
    newest = {rule: target for rule, target in begun.items() if not target.withdrawn}
    if not newest:
        rate = f"the document's rate ({_per_s(float(stored.get('rate') or 0))}) applies, whatever the shop can take"
        detail = f"no rule has told how much the shop can take, so {rate}: is a rule meant to? tidegate scaler status"
        return _check("rules", "warn", detail)
    left_s = {rule: target.until_s - now_s for rule, target in newest.items()}
    one_speaks = any(left > 0 for left in left_s.values())
    result: Result = "pass"
    details = []
    for rule, target in newest.items():
        left = left_s[rule]
        if left > 0:
            inside = "" if target.capacity is None else f", {target.capacity} inside"
            details.append(f"{rule}: {_per_s(target.rate_per_s)}{inside}, for another {left:.0f} s")
            found: Result = "pass" if target.rate_per_s > 0 else "warn"
        elif one_speaks and -left >= _RULE_MISSED_S:
            details.append(f"{rule}: silent for {-left:.0f} s, so it doesn't count: was it taken away?")
            found = "warn"
        else:
            fallback = stored.get("fallback")
            rate = (
                f"fallbackRate {_per_s(float(fallback))}"
                if fallback
                else f"its last rate {_per_s(target.rate_per_s)}"
            )
            details.append(
                f"{rule}: silent for {-left:.0f} s, so {rate} applies: tidegate scaler status {rule}"
            )
            found = "fail"
        result = max(result, found, key=_ORDER.index)
    return _check("rules", result, "; ".join(details))


def check_keys(room: Room) -> Check:
    """A draw needs its seed; places and passes have their keys, or the room would not have started."""
    if room.drawn and room.commitment is None:
        return _check("keys", "fail", "the seed of the draw is missing")
    return _check("keys", "pass", "all keys are there" if room.drawn else "place and pass keys are there")


def check_draw(room: Room) -> Check:
    """A draw may wait for its beacon, and a seed that has been published is good for no other draw."""
    if not room.drawn:
        return _check("draw", "pass", "the order of arrival counts: nothing is drawn")
    if room.seed_is_spent:
        detail = (
            f"the seed was published at an earlier draw, so positions can be predicted: remove draw.{room.name}.seed "
            "from the key folder and restart, and announce the new commitment"
        )
        return _check("draw", "fail", detail)
    snapshot = room.snapshot
    if snapshot is not None and snapshot.awaits_beacon:
        detail = f"waits for the value of {snapshot.beacon_source}: tidegate onsale beacon {room.name} VALUE"
        return _check("draw", "fail", detail)
    if not room.keeps_draw:
        return _check(
            "draw", "warn", "the record cannot be kept on disk: give --state a folder that can be written"
        )
    terms = room.onsale.spec.draw
    if terms is None:
        return _check(
            "draw", "pass", "no beacon is announced: the operator knows the seed, and buyers are told so"
        )
    return _check(
        "draw",
        "pass",
        f"at the opening, give the value of {terms.beacon}: tidegate onsale beacon {room.name} VALUE",
    )


async def check_invitations(room: Room) -> Check:
    """Without the shop's keys nobody gets into a line where entry is by token."""
    try:
        kids = await room.invitations.kids() if room.invitations else []
    except KeysUnavailable as error:
        return _check("entry", "fail", f"nobody can join: {error}")
    return _check("entry", "pass", f"tokens are checked by {len(kids)} of the shop's keys: {', '.join(kids)}")


def check_headroom(room: Room) -> Check:
    """Buyers who stay `session.length` each, coming in at the full rate, must find room."""
    limits, session = room.onsale.spec.admission, room.onsale.spec.session
    inside = limits.rate_per_s * session.length_s
    if limits.capacity is None:
        return _check("headroom", "pass", f"no capacity is set; about {inside:.0f} buyers will be inside")
    if inside > limits.capacity:
        detail = (
            f"rate x session.length = {inside:.0f} exceeds the capacity of {limits.capacity}: it will bind"
        )
        return _check("headroom", "warn", detail)
    return _check("headroom", "pass", f"about {inside:.0f} of {limits.capacity} will be inside")


def check_polling(room: Room) -> Check:
    """Whoever asks and does not listen must be able to hear of the turn before it is over, however soon it comes.

    Nobody knows how many will come: a line that takes an hour at the document's rate is what a budget is held against.
    """
    limits, budget_per_s, snapshot = room.onsale.spec.admission, room.questions.budget_per_s, room.snapshot
    if snapshot is None:
        return _check("polling", "warn", "the room has not reached its store yet")
    course = course_of(snapshot, limits.rate_per_s, limits.claim_within_s)
    longest = longest_line(budget_per_s, course)
    expected = max(snapshot.waiting, math.ceil(limits.rate_per_s * _EXPECTED_S))
    if longest < expected:
        needed = math.ceil(budget_for(expected, course) / 100.0) * 100
        detail = (
            f"at {_per_s(limits.rate_per_s)} buyers who only ask may hear of their turn late once more than {longest:,} wait: "
            f"set --poll-budget to {needed} (it is {budget_per_s:g}) for a line of {expected:,}"
        )
        return _check("polling", "warn", detail)
    largest = largest_draw(budget_per_s, limits.claim_within_s)
    if room.drawn and snapshot.phase == "prequeue" and snapshot.waiting > largest:
        needed = math.ceil(budget_per_s * snapshot.waiting / largest / 100.0) * 100
        detail = (
            f"{snapshot.waiting:,} await the draw: of more than {largest:,} who only ask, the first drawn may hear of their turn "
            f"late: set --poll-budget to {needed} (it is {budget_per_s:g})"
        )
        return _check("polling", "warn", detail)
    how_many = "however many they are" if longest >= LONGEST_LINE else f"up to {longest:,} of them"
    told = f"buyers who only ask hear of their turn in time, {how_many}"
    return _check("polling", "pass", f"{told}, and {largest:,} of a draw" if room.drawn else told)


def _check(name: str, result: Result, detail: str) -> Check:
    return Check(name=name, result=result, detail=detail)


def _per_s(rate: float) -> str:
    return f"{rate:g}/s"
