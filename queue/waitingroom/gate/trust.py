"""Which peers may speak for buyers: the addresses of the proxies in front of the gate; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from waitingroom.errors import ConfigurationError
from waitingroom.memo import Memo

LOOPBACK = ("127.0.0.0/8", "::1/128")
_REMEMBERED = 4096


class TrustedProxies:
    """Networks in CIDR notation, or single addresses.

    Raises:
        ConfigurationError: one is neither.
    """

    def __init__(self, networks: Iterable[str] = LOOPBACK) -> None:
        self._networks = [_network(text) for text in networks]
        self._known: Memo[bool] = Memo(_REMEMBERED)

    def holds(self, peer: str | None) -> bool:
        """Tell whether the peer's address is one of a trusted proxy. A peer without address, as on a unix socket, is none."""
        if not peer:
            return False
        trusted = self._known.get(peer)
        if trusted is None:
            trusted = self._holds(peer)
            self._known.put(peer, trusted)
        return trusted

    def _holds(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigurationError(
            f"trusted proxy {text!r}: not an address or a network such as 10.0.0.0/8 ({error})"
        ) from error
