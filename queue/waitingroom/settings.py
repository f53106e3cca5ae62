"""The room's settings, read once at the edge (flags, or environment variables TIDEGATE_... of the same names)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rulebook.addresses import LOOPBACK
from waitingroom.gate.limits import ProxyLimits


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Everything `tidegate queue serve` needs.

    Attributes:
        onsales: file or folder of Onsale documents.
        store: address of the store, of one of the forms in `rulebook.storeaddress`.
        keys: folder of the key files, made on the first start.
        listen: where buyers reach the room.
        room_url: the room's public address, to which the gate sends buyers.
        gate: where the reverse-proxy gate listens; None for no gate.
        upstreams: base URLs of the shop behind the gate.
        upstream_file: a file with one base URL a line, read again when it changes; instead of `upstreams`.
        gate_limits: how long the reverse-proxy gate waits, and how much it takes.
        free_hosts: hosts beside those that onsales name, at which nothing needs a pass but what is guarded at any host.
        trusted_proxies: addresses and networks (CIDR) of the proxies which may speak for buyers.
        admin_tokens: file of the admin API's hashed tokens; None for no admin API.
        pages: folder of a brand's own parts of the buyers' page; None for ours alone.
        join_rate_per_s: joins per second that one client address may make at all `workers` together, after a burst of
            `join_burst`, and beside them as many claims and as many codes of the hand-over that let nobody in; 0 for no limit.
        poll_budget_per_s: status requests per second that all waiting buyers of an onsale may make together.
        refresh_every_s: how often this process releases and takes a new copy of the counters.
        workers: processes which serve on the same address, told here so that each shares it.
        state: folder for what has to outlive the store, the draws' records; `state` beside the key folder if not given.
        secure_cookies: mark cookies `Secure`; off only for plain http on a developer's machine.
        allow_open_store: take a store without a password on another machine.
    """

    onsales: Path
    store: str
    keys: Path
    listen: ListenAddress
    room_url: str
    gate: ListenAddress | None = None
    upstreams: tuple[str, ...] = ()
    upstream_file: Path | None = None
    gate_limits: ProxyLimits = field(default_factory=ProxyLimits)
    free_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = LOOPBACK
    admin_tokens: Path | None = None
    pages: Path | None = None
    join_rate_per_s: float = 20.0
    join_burst: int = 200
    poll_budget_per_s: float = 1000.0
    refresh_every_s: float = 0.2
    workers: int = 1
    secure_cookies: bool = True
    allow_open_store: bool = False
    state: Path | None = None

    @property
    def state_folder(self) -> Path:
        """The folder for what has to outlive the store."""
        return self.state if self.state is not None else self.keys.parent / "state"
