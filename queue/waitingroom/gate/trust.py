"""Which peers may speak for buyers: the addresses of the proxies in front of the gate; pure."""

from __future__ import annotations

from collections.abc import Iterable

from rulebook.addresses import LOOPBACK, is_within, read_networks
from rulebook.memo import Memo
from waitingroom.errors import ConfigurationError

_REMEMBERED = 4096


class TrustedProxies:
    """Networks in CIDR notation, or single addresses.

    Raises:
        ConfigurationError: one is neither.
    """

    def __init__(self, networks: Iterable[str] = LOOPBACK) -> None:
        try:
            self._networks = read_networks(networks)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self._known: Memo[bool] = Memo(_REMEMBERED)

    def holds(self, peer: str | None) -> bool:
        """Tell whether the peer's address is one of a trusted proxy. A peer without address, as on a unix socket, is none."""
        if not peer:
            return False
        trusted = self._known.get(peer)
        if trusted is None:
            trusted = is_within(peer, self._networks)
            self._known.put(peer, trusted)
        return trusted
