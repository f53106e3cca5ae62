"""Which addresses of the store are understood, and what is said of the others."""

import re
from pathlib import Path

import pytest
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from rulebook.storeaddress import public_form, read_address
from waitingroom.store.connect import ClusterClient, SentinelClient, ServerClient, connect

SECRET = "s3/cr@t#1?"
QUOTED = "s3%2Fcr%40t%231%3F"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("redis://valkey", (("valkey", 6379),)),
        ("rediss://valkey:7000/2", (("valkey", 7000),)),
        ("redis://[::1]:7000", (("::1", 7000),)),
        ("unix:///run/valkey.sock?db=3", ()),
        ("redis+sentinel://a,b:26380/tide", (("a", 26379), ("b", 26380))),
        ("rediss+sentinel://a/tide/5", (("a", 26379),)),
        ("redis+cluster://a:7000,[fe80::1]:7001", (("a", 7000), ("fe80::1", 7001))),
        ("rediss+cluster://a", (("a", 6379),)),
    ],
)
def test_an_address_names_its_servers(url: str, hosts: tuple[tuple[str, int], ...]) -> None:
    assert read_address(url).hosts == hosts


@pytest.mark.parametrize("scheme", ["redis", "rediss+sentinel", "redis+cluster"])
def test_user_and_password_may_hold_any_character_percent_encoded(scheme: str) -> None:
    master = "/tide" if scheme.endswith("sentinel") else ""
    address = read_address(f"{scheme}://room%3A1:{QUOTED}@valkey{master}")
    assert (address.username, address.password) == ("room:1", SECRET)


def test_sentinels_may_have_a_password_of_their_own() -> None:
    address = read_address(f"redis+sentinel://u:p@a/tide?sentinel_username=watch&sentinel_password={QUOTED}")
    assert (address.sentinel_username, address.sentinel_password) == ("watch", SECRET)
    assert address.options == {}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://u:hush@valkey", "an address begins with redis://"),
        ("valkey:6379", "an address begins with redis://"),
        ("redis://u:hush@a,b", "several servers need redis+sentinel:// or redis+cluster://"),
        ("redis://u:hush@", "each server is written as host:port"),
        ("redis://u:hush@valkey:99999", "each server is written as host:port"),
        ("redis://[::1", "write an IPv6 host as [::1]"),
        ("redis://valkey/hush", "the database is a number"),
        ("redis://u:hu/sh@valkey", "as %2F, %3F, %23 and %40"),
        ("redis://u:hu?sh@valkey", "as %2F, %3F, %23 and %40"),
        ("redis://u:hu#sh@valkey", "as %2F, %3F, %23 and %40"),
        ("redis+sentinel://u:hush@a:26379", "the master's name is missing"),
        ("redis+sentinel://u:hush@a/tide/hush", "the database is a number"),
        ("redis+cluster://u:hush@a/1", "a cluster has no databases"),
        ("redis+cluster://u:hush@a,,b", "each server is written as host:port"),
        ("unix://run/valkey.sock", "begins with a slash"),
        ("unix://u:hush@", "the path of the unix socket is missing"),
        ("redis://valkey?hush=1", "an option is unknown; there are client_name, db,"),
        ("redis://valkey?ssl_ca_certs=hush", "ssl_ca_certs needs TLS: write rediss"),
        ("rediss://valkey?ssl_ca_certs=/no/hush", "ssl_ca_certs: there is no such file"),
        ("rediss://valkey?ssl_check_hostname=hush", "ssl_check_hostname cannot have this value"),
        ("redis://valkey?socket_timeout=hush", "socket_timeout cannot have this value"),
        ("redis+cluster://valkey?db=1", "an option is unknown"),
    ],
)
def test_any_other_address_is_refused_in_one_line_without_the_password(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        connect(url)
    message = str(refused.value)
    assert "hu" not in message
    assert "\n" not in message
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:hush@valkey:1/0", "redis://valkey:1"),
        ("redis+sentinel://u:hu@sh@a,b/tide?sentinel_password=hush", "redis+sentinel://a:26379,b:26379/tide"),
        ("unix://u:hush@/run/valkey.sock", "unix:///run/valkey.sock"),
        ("redis+sentinel://a/tide?sentinel_password=hu@sh", "redis+sentinel://..."),
        ("redis://u:hu?sh@valkey", "redis://..."),
        ("hush", "(no address)"),
    ],
)
def test_what_a_log_shows_of_an_address_has_no_password(url: str, shown: str) -> None:
    assert public_form(url) == shown


async def test_each_form_makes_its_client(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    clients = [
        connect("redis://valkey"),
        connect("redis+sentinel://a,b/tide"),
        connect("redis+cluster://127.0.0.1:7000,127.0.0.1:7001"),
        connect(f"rediss+cluster://127.0.0.1:7000?ssl_ca_certs={ca}"),
    ]
    assert [type(client) for client in clients] == [
        ServerClient,
        SentinelClient,
        ClusterClient,
        ClusterClient,
    ]
    for client in clients:
        await client.aclose()


async def test_with_tls_both_the_sentinels_and_the_master_are_asked_over_tls(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    client = connect(f"rediss+sentinel://u:p@a/tide?ssl_ca_certs={ca}&sentinel_password=q")
    assert isinstance(client, SentinelClient)
    assert client.connection_pool.connection_class is SentinelManagedSSLConnection
    assert client.connection_pool.connection_kwargs["ssl_ca_certs"] == str(ca)
    assert client.sentinels is not None
    (sentinel,) = client.sentinels.sentinels
    kwargs = sentinel.connection_pool.connection_kwargs
    assert (kwargs["ssl_ca_certs"], kwargs["password"], kwargs["username"]) == (str(ca), "q", None)
    await client.aclose()


async def test_neither_servers_nor_sentinels_are_told_the_library_by_a_command_that_redis_7_0_lacks() -> None:
    client = connect("redis+sentinel://a/tide")
    assert isinstance(client, SentinelClient)
    assert client.sentinels is not None
    (sentinel,) = client.sentinels.sentinels
    assert client.connection_pool.connection_kwargs["driver_info"] is None
    assert sentinel.connection_pool.connection_kwargs["driver_info"] is None
    await client.aclose()
