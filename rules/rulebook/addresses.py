"""Who a client is, behind proxies too: which peers may speak for others, and what of an address stands for one client. Pure.

A trusted proxy names its clients in X-Forwarded-For; nobody else is believed. An IPv6 client is its /64, as that is what one
subscriber gets. Room and console count by the same clients; what they count is their own affair.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

Networks: TypeAlias = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_ADDRESSES_REMEMBERED: Final = 4096
_LONGEST_ADDRESS: Final = 128  # in characters, with port and zone: what is remembered is bounded in size too
_MAX_HOPS: Final = 16
_SUBSCRIBER_BITS: Final = 64
_NO_ADDRESS: Final = "local"


class ForwardedHeaders(Protocol):
    """What we need of a multidict."""

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """Return the values in their order."""
        ...


def read_networks(texts: Iterable[str]) -> Networks:
    """Read networks in CIDR notation, and single addresses.

    Raises:
        ValueError: one is neither; the message names it.
    """
    return tuple(_network(text) for text in texts)


def is_within(peer: str, networks: Networks) -> bool:
    """Tell whether an address is in one of the networks; what is no address is in none."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def hops_of(headers: ForwardedHeaders) -> list[str]:
    """Return what X-Forwarded-For names, the nearest last; of a long list the nearest ones."""
    named = headers.getall("X-Forwarded-For", ())
    if not named:
        return []
    text = ",".join(named)
    return [hop for hop in (part.strip() for part in text.split(",")) if hop][-_MAX_HOPS:]


def client_of(peer: str | None, headers: ForwardedHeaders, is_trusted: Callable[[str | None], bool]) -> str:
    """Name the client: the nearest address that is not a trusted proxy's, or else the furthest that is known."""
    found = peer or ""
    if is_trusted(peer):
        for hop in reversed(hops_of(headers)):
            address = _address(hop) if len(hop) <= _LONGEST_ADDRESS else None
            if address is None:
                break
            found = address
            if not is_trusted(address):
                break
    return client_key(found)


@lru_cache(maxsize=_ADDRESSES_REMEMBERED)
def client_key(address: str) -> str:
    """Return what of an address stands for one client: the whole of IPv4, the /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return _NO_ADDRESS
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _SUBSCRIBER_BITS), strict=False))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"trusted proxy {text!r}: not an address or a network such as 10.0.0.0/8 ({error})"
        ) from error


@lru_cache(maxsize=_ADDRESSES_REMEMBERED)
def _address(hop: str) -> str | None:
    """Read one entry of X-Forwarded-For; some proxies add a port, and brackets around IPv6."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        ipaddress.ip_address(hop)
    except ValueError:
        return None
    return hop
