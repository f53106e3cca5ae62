"""The calls about who holds a place: places of accounts, recovery codes, and what a store that lost them is told.

Each is one atomic script. It knows tags only: neither an account's name, nor a device's nonce, nor a code reaches the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rulebook.coupling import US_PER_S
from waitingroom.errors import MOVE_REASONS, MoveRefused
from waitingroom.moves import Holder
from waitingroom.store.memory import Memory


class Run(Protocol):
    """Runs a script of this onsale."""

    async def __call__(self, name: str, arguments: Sequence[str]) -> Any:
        """Return the script's reply.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An account that joins by a device, both as tags; with `move`, its place comes to this device from another."""

    account: str
    device: str
    move: bool = False


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """Until when a recovery code is good, at store time `at_s`."""

    ends_at_s: float
    at_s: float


class HolderStore:
    """Who holds the places of one onsale."""

    def __init__(self, run: Run, memory: Memory) -> None:
        self._run = run
        self._memory = memory

    async def enrol(self, enrolments: Sequence[Enrolment]) -> list[Holder | MoveRefused]:
        """Give accounts their places, in their order; where one is not given, the reason stands in its stead.

        Raises:
            StoreUnavailable: the store did not answer; who asks again gets the place that may have been given.
            JoinRefused: joining has not begun or is over.
        """
        arguments = [
            part for each in enrolments for part in (each.account, each.device, "m" if each.move else "")
        ]
        _, *answers = await self._run("enrol", arguments)
        return [
            MoveRefused(answer) if answer in MOVE_REASONS else self._read(answer, each)
            for each, answer in zip(enrolments, answers, strict=True)
        ]

    async def issue_code(
        self, code: str, holder: Holder, line: int, position: int | None, session: str
    ) -> IssuedCode:
        """Have a recovery code (its tag) stand for a place, which stands at `position` of the line of epoch `line`.

        An earlier code of the place is good no more.

        Raises:
            MoveRefused: moved, entered or exhausted.
            StoreUnavailable: the store did not answer.
        """
        arguments = ["issue", code, *described(holder), str(line), "" if position is None else str(position)]
        outcome, *rest = await self._run("move", [*arguments, session])
        if outcome != "issued":
            raise MoveRefused(outcome)
        ends_us, at_us = rest
        return IssuedCode(float(ends_us) / US_PER_S, float(at_us) / US_PER_S)

    async def redeem_code(self, code: str, device: str) -> Holder:
        """Move the place for which a code (its tag) stands to `device`.

        Raises:
            MoveRefused: code, busy or moved.
            StoreUnavailable: the store did not answer; the device may ask again.
        """
        outcome, *rest = await self._run("move", ["redeem", code, device])
        if outcome != "redeemed":
            raise MoveRefused(outcome)
        place, generation, account, issued_ms, _ = rest
        epoch, _, number = place.partition(":")
        return Holder(int(epoch), int(number), int(generation), account, device, int(issued_ms))

    async def restore(self, holders: Sequence[Holder]) -> None:
        """Tell the store what it may have lost.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        await self._run("restore", [part for holder in holders for part in described(holder)])

    def _read(self, answer: str, enrolment: Enrolment) -> Holder:
        epoch, number, generation, issued_ms = map(int, answer.split(":"))
        self._memory.see_place(epoch, number)
        return Holder(epoch, number, generation, enrolment.account, enrolment.device, issued_ms)


def described(holder: Holder) -> list[str]:
    """Write a holder as the scripts take one: place, generation, account, device, time of issue."""
    return [
        f"{holder.epoch}:{holder.number}",
        str(holder.generation),
        holder.account,
        holder.device,
        str(holder.issued_at_ms),
    ]
