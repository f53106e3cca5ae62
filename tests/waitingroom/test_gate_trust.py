"""Only proxies in the list may speak for buyers."""

import pytest

from waitingroom.errors import ConfigurationError
from waitingroom.gate.trust import TrustedProxies


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_trusted_unless_said_otherwise(peer: str) -> None:
    assert TrustedProxies().holds(peer)


@pytest.mark.parametrize("peer", [None, "", "10.0.0.1", "2001:db8::1", "unknown", "::ffff:10.0.0.1"])
def test_nobody_else_is(peer: str | None) -> None:
    assert not TrustedProxies().holds(peer)


def test_networks_and_addresses_are_taken_as_they_are_written() -> None:
    trusted = TrustedProxies(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])
    assert [trusted.holds(peer) for peer in ("10.1.2.3", "2001:db8::1", "192.0.2.7", "fe80::1%eth0")] == [
        True,
        True,
        True,
        False,
    ]
    assert not trusted.holds("127.0.0.1")
    assert trusted.holds("10.1.2.3")


@pytest.mark.parametrize("text", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/40", ""])
def test_what_is_no_network_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not an address or a network"):
        TrustedProxies([text])
