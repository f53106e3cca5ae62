"""Checker, keys, link and clock together: what each adapter asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

from rulebook import Onsale
from waitingroom.gate.counts import Counts
from waitingroom.gate.hours import Hours, hours_of
from waitingroom.gate.renewing import is_due, renew_after_s
from waitingroom.gate.reserved import ENTER_PATH
from waitingroom.gate.turnaway import Answer
from waitingroom.middleware.checker import Asked, Checker, Verdict
from waitingroom.middleware.entering import enter
from waitingroom.middleware.keys import Keys
from waitingroom.middleware.link import RoomLink
from waitingroom.web.cookies import expire_cookie, pass_cookie, set_cookie


class OfflineGate:
    """The gate of a shop's own process. `counts` tells what it has answered.

    `secure_cookies` is off only for plain http on a developer's machine, as `--insecure-cookies` of the room is: the device
    cookie has another name there.

    Without a `link` to the room it does neither renew passes nor hear of sessions that were ended, and knows of no shop on
    another domain than the room's. At `free_hosts` the application serves what no onsale guards.

    Raises:
        ConfigurationError: a free host is no host name.
    """

    def __init__(
        self,
        onsales: Iterable[Onsale],
        keys: Keys,
        *,
        room_url: str,
        link: RoomLink | None = None,
        free_hosts: Iterable[str] = (),
        secure_cookies: bool = True,
    ) -> None:
        self.counts = Counts()
        self.link = link
        self._onsales: Mapping[str, Onsale] = {onsale.name: onsale for onsale in onsales}
        self._checker = Checker(
            self._onsales.values(),
            room_url=room_url,
            hours=self._hours,
            secure_cookies=secure_cookies,
            free_hosts=free_hosts,
        )
        self._documented = {name: hours_of(onsale) for name, onsale in self._onsales.items()}
        self._keys = keys
        self._room_url = room_url
        self._secure = secure_cookies
        if link is not None and self._onsales:
            link.renew_every_s = min(
                link.renew_every_s, *(renew_after_s(onsale) for onsale in self._onsales.values())
            )

    def check(self, asked: Asked) -> Verdict:
        """Judge a request, asking the room first where that is due."""
        if self._arrives(asked):
            return Verdict(self._enter(asked))
        verdict = self._check(asked)
        if self._keys.is_due(verdict.unknown_kid):
            self._keys.refresh(verdict.unknown_kid)
            verdict = self._check(asked)
        return self._count(verdict)

    async def acheck(self, asked: Asked) -> Verdict:
        """Judge a request, asking the room first, in a thread, where that is due."""
        if self._arrives(asked):
            return Verdict(await asyncio.to_thread(self._enter, asked))
        verdict = self._check(asked)
        if self._keys.is_due(verdict.unknown_kid):
            await asyncio.to_thread(self._keys.refresh, verdict.unknown_kid)
            verdict = self._check(asked)
        return self._count(verdict)

    def cookie(self, verdict: Verdict) -> str | None:
        """Format the `Set-Cookie` header for a pass which was renewed since the buyer got theirs; None where there is none."""
        admission = verdict.admission
        if admission is None or not verdict.is_newer:
            return None
        name = pass_cookie(admission.onsale)
        stay_s = max(1, int(admission.ends_at_s - time.time()))
        return set_cookie(name, verdict.token, path="/", max_age_s=stay_s, secure=self._secure)

    def end(self, verdict: Verdict, kind: str) -> str | None:
        """End the session that a request came by, as the shop's answer says; returns the cookie which takes the pass away."""
        admission = verdict.admission
        if admission is None:
            return None
        if self.link is not None:
            said = "abandon" if kind.strip().lower() == "abandon" else "complete"
            self.link.end(admission.onsale, admission.session, verdict.token, said)
        return expire_cookie(pass_cookie(admission.onsale), path="/", secure=self._secure)

    def _check(self, asked: Asked) -> Verdict:
        now_s = time.time()
        link = self.link
        if link is None:
            return self._checker.check(asked, self._keys.reader, self._keys.kids, now_s)
        link.start()
        verdict = self._checker.check(asked, self._keys.reader, self._keys.kids, now_s, link)
        admission = verdict.admission
        if admission is None:
            return verdict
        if is_due(self._onsales[admission.onsale], admission, now_s):
            link.note(admission.onsale, admission.session, verdict.token)
        return verdict

    def _arrives(self, asked: Asked) -> bool:
        return self.link is not None and asked.target.partition("?")[0] == ENTER_PATH

    def _enter(self, asked: Asked) -> Answer:
        assert self.link is not None  # noqa: S101 - `_arrives` says so
        return enter(asked, self._onsales, self.link.exchange, room_url=self._room_url, secure=self._secure)

    def _hours(self, onsale: Onsale) -> Hours:
        told = self.link.hours(onsale.name) if self.link is not None else None
        return told or self._documented[onsale.name]

    def _count(self, verdict: Verdict) -> Verdict:
        counts = self.counts
        if verdict.refused:
            counts.refuse(verdict.refused)
        elif verdict.answer is not None:
            counts.queued += 1
        elif verdict.admission is not None:
            counts.allowed += 1
        else:
            counts.free += 1
        return verdict
