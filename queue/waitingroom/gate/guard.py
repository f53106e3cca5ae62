"""Which onsale guards a request, by host and path; pure.

The longest matching path wins, a rule with a host before one without. `bypass` paths of that onsale go through unchecked. A host
that nobody has named is judged as each host that is: a shop which does not go by `Host` serves the same at any. Paths
match by whole segments (`/cactus` guards `/cactus/tickets`, not `/cactusfest`), in upper and lower case as written. A path that
servers may read in several ways (`readings`) is free only if each reading is, and refused if two readings need the passes of
two onsales: what the shop makes of it, then, was judged here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rulebook import Onsale
from rulebook.memo import Memo
from waitingroom.errors import ConfigurationError
from waitingroom.gate.hours import Hours, hours_of
from waitingroom.gate.readings import UnclearPath, canonical_path, readings
from waitingroom.gate.reserved import ENTER_PATH

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_REMEMBERED = 4096
_MAX_REMEMBERED_CHARS = 512
_OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
_TWO_READINGS = "path: its readings are guarded by two onsales"
_TWO_HOSTS = "host: named by no onsale, and the path is guarded by two"


@dataclass(frozen=True, slots=True)
class Guarded:
    """One guarded part of a shop."""

    host: str | None
    path: str
    onsale: Onsale


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a request needs: a pass of `onsale`, or nothing. Where `refused` says why, no pass at all can let it through.

    `unnamed` is a host of the request's that nobody has named, where this alone makes it need a pass; else it is empty.
    """

    onsale: Onsale | None = None
    refused: str = ""
    unnamed: str = ""


class Guard:
    """The guarded parts of all onsales. What was judged once is remembered, in a bounded memo.

    `hours` tells when an onsale guards its shop; without it, the documents do. `free_hosts` are served beside the hosts that
    onsales name: what no onsale guards there, or at any host, needs no pass.

    Raises:
        ConfigurationError: a free host is no host name.
    """

    def __init__(
        self,
        onsales: Iterable[Onsale],
        hours: Callable[[Onsale], Hours] = hours_of,
        *,
        free_hosts: Iterable[str] = (),
    ) -> None:
        self._hours = hours
        self._free_hosts = frozenset(map(_free_host, free_hosts))
        self.replace(onsales)

    def replace(self, onsales: Iterable[Onsale]) -> None:
        """Guard what these onsales name from now on, and nothing else."""
        listed = list(onsales)
        parts = [
            Guarded(part.host.lower().rstrip(".") if part.host else None, canonical_path(part.path), onsale)
            for onsale in listed
            for part in onsale.spec.protect
        ]
        self._parts = sorted(parts, key=lambda part: (-len(part.path), part.host is None))
        self._named = self._free_hosts | {part.host for part in parts if part.host is not None}
        self._bypass = {
            onsale.name: [(canonical_path(rule.path), rule.methods) for rule in onsale.spec.bypass]
            for onsale in listed
        }
        self._judged: Memo[Judgement] = Memo(_REMEMBERED)

    def judge_request(
        self, method: str, hosts: Sequence[str], path: str, headers: Container[str]
    ) -> Judgement:
        """Judge a request as `judge_all` does, by the names of its `headers` as well (in lower case, or found in any).

        Many shops take a request for one of the method that such a header names. So no way past the gate for some methods only
        is open to it.
        """
        judgement = self.judge_all(method, hosts, path)
        if judgement.onsale is None and any(name in headers for name in _OVERRIDES):
            return self.judge_all("", hosts, path)
        return judgement

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
        unnamed = next((one.unnamed for one in judgements if one.unnamed), "")
        return Judgement(next(iter(needed.values()), None), unnamed=unnamed)

    def is_outside(self, onsale: Onsale, now_s: float) -> bool:
        """Tell whether the onsale leaves the shop open to all at `now_s`: before its pre-queue or after its closing."""
        return self._hours(onsale).are_over(now_s)

    def _judge(self, method: str, host: str, path: str) -> Judgement:
        name = host_name(host)
        if name is None:
            return Judgement(refused="host: malformed")
        if path == ENTER_PATH:  # the way in: guarded, it would lead back to the line for ever
            return Judgement()
        is_named = name in self._named
        try:
            needed = {
                part.onsale.name: part
                for reading in readings(path)
                for part in self._matches(method, name, reading, is_named=is_named)
            }
        except UnclearPath as error:
            return Judgement(refused=str(error))
        by_others = any(part.host not in {None, name} for part in needed.values())
        if len(needed) > 1:
            return Judgement(refused=_TWO_HOSTS if by_others else _TWO_READINGS)
        onsale = next((part.onsale for part in needed.values()), None)
        return Judgement(onsale, unnamed=name if by_others else "")

    def _matches(self, method: str, name: str, reading: str, *, is_named: bool) -> Iterator[Guarded]:
        """Yield the part that guards this reading at the host `name`, or without a name at each host it may stand for."""
        judged: set[str | None] = set()
        for part in self._parts:
            host = part.host
            if host in judged or (is_named and host is not None and host != name):
                continue
            if not _is_under(reading, part.path):
                continue
            judged.add(host)
            if not self._bypasses(part.onsale, method, reading):
                yield part
            if is_named or host is None:  # a part without host comes before all shorter ones, at every host
                return

    def _bypasses(self, onsale: Onsale, method: str, reading: str) -> bool:
        return any(
            _is_under(reading, path) and (methods is None or method in methods)
            for path, methods in self._bypass[onsale.name]
        )


def host_name(host: str) -> str | None:
    """Return the name in a `Host` value in lower case, without port and root dots; None where it is malformed."""
    found = _HOST.fullmatch(host)
    return (found["name"].lower().rstrip(".") or None) if found else None


def _free_host(text: str) -> str:
    name = host_name(text)
    if name is None or name != text.lower().rstrip("."):
        raise ConfigurationError(
            f"free host {text!r}: not a host name such as www.example.org, without scheme and port"
        )
    return name


def _is_under(path: str, prefix: str) -> bool:
    return prefix == "/" or path == prefix or path.startswith(prefix + "/")
