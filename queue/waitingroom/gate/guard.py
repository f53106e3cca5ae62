"""Which onsale guards a request, by host and path; pure.

The longest matching path wins, a rule with a host before one without. `bypass` paths of that onsale go through unchecked. Paths
match by whole segments (`/cactus` guards `/cactus/tickets`, not `/cactusfest`), in upper and lower case as written. A path that
servers may read in several ways (`readings`) is free only if each reading is, and refused if two readings need the passes of
two onsales: what the shop makes of it, then, was judged here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rulebook import Onsale
from waitingroom.gate.hours import Hours, hours_of
from waitingroom.gate.readings import UnclearPath, canonical_path, readings
from waitingroom.gate.reserved import ENTER_PATH
from waitingroom.memo import Memo

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_REMEMBERED = 4096
_MAX_REMEMBERED_CHARS = 512


@dataclass(frozen=True, slots=True)
class Guarded:
    """One guarded part of a shop."""

    host: str | None
    path: str
    onsale: Onsale


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a request needs: a pass of `onsale`, or nothing; `refused` says why it can be let through with no pass at all."""

    onsale: Onsale | None = None
    refused: str = ""


class Guard:
    """The guarded parts of all onsales. What was judged once is remembered, in a bounded memo.

    `hours` tells when an onsale guards its shop; without it, the documents do.
    """

    def __init__(self, onsales: Iterable[Onsale], hours: Callable[[Onsale], Hours] = hours_of) -> None:
        self._hours = hours
        self.replace(onsales)

    def replace(self, onsales: Iterable[Onsale]) -> None:
        """Guard what these onsales name from now on, and nothing else."""
        listed = list(onsales)
        parts = [
            Guarded(part.host.lower() if part.host else None, canonical_path(part.path), onsale)
            for onsale in listed
            for part in onsale.spec.protect
        ]
        self._parts = sorted(parts, key=lambda part: (-len(part.path), part.host is None))
        self._bypass = {
            onsale.name: [(canonical_path(rule.path), rule.methods) for rule in onsale.spec.bypass]
            for onsale in listed
        }
        self._judged: Memo[Judgement] = Memo(_REMEMBERED)

    def judge(self, method: str, host: str, path: str) -> Judgement:
        """Judge a request by its method, host (with or without port) and raw path (without query)."""
        key = f"{method} {host} {path}"
        judgement = self._judged.get(key)
        if judgement is None:
            judgement = self._judge(method, host, path)
            if len(key) <= _MAX_REMEMBERED_CHARS:
                self._judged.put(key, judgement)
        return judgement

    def judge_all(self, method: str, hosts: Sequence[str], path: str) -> Judgement:
        """Judge a request that names several hosts: it needs what any of them needs."""
        if len(hosts) == 1:
            return self.judge(method, hosts[0], path)
        judgements = [self.judge(method, host, path) for host in hosts]
        refused = next((one.refused for one in judgements if one.refused), "")
        needed = {one.onsale.name: one.onsale for one in judgements if one.onsale is not None}
        if not judgements or refused or len(needed) > 1:
            return Judgement(refused=refused or "hosts: guarded by two onsales")
        return Judgement(next(iter(needed.values()), None))

    def is_outside(self, onsale: Onsale, now_s: float) -> bool:
        """Tell whether the onsale leaves the shop open to all at `now_s`: before its pre-queue or after its closing."""
        return self._hours(onsale).are_over(now_s)

    def find(self, method: str, host: str, path: str) -> Onsale | None:
        """Return the onsale whose pass this request needs, None where the way is free.

        Raises:
            UnclearPath: no pass can let this request through.
        """
        judgement = self.judge(method, host, path)
        if judgement.refused:
            raise UnclearPath(judgement.refused)
        return judgement.onsale

    def _judge(self, method: str, host: str, path: str) -> Judgement:
        name = host_name(host)
        if name is None:
            return Judgement(refused="host: malformed")
        if path == ENTER_PATH:  # the way in: guarded, it would lead back to the line for ever
            return Judgement()
        try:
            found = [self._match(method, name, reading) for reading in readings(path)]
        except UnclearPath as error:
            return Judgement(refused=str(error))
        needed = {onsale.name: onsale for onsale in found if onsale is not None}
        if len(needed) > 1:
            return Judgement(refused="path: its readings are guarded by two onsales")
        return Judgement(next(iter(needed.values()), None))

    def _match(self, method: str, name: str, reading: str) -> Onsale | None:
        for part in self._parts:
            if (part.host is None or part.host == name) and _is_under(reading, part.path):
                return None if self._bypasses(part.onsale, method, reading) else part.onsale
        return None

    def _bypasses(self, onsale: Onsale, method: str, reading: str) -> bool:
        return any(
            _is_under(reading, path) and (methods is None or method in methods)
            for path, methods in self._bypass[onsale.name]
        )


def host_name(host: str) -> str | None:
    """Return the name in a `Host` value in lower case, without port and root dot; None where it is malformed."""
    found = _HOST.fullmatch(host)
    return found["name"].lower().removesuffix(".") if found else None


def _is_under(path: str, prefix: str) -> bool:
    return prefix == "/" or path == prefix or path.startswith(prefix + "/")
