"""How a Prometheus is reached: flags that make no sense are refused, files are followed, and no secret is shown."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from autoscaler.errors import ConfigurationError
from autoscaler.prometheus.access import PrometheusAccess, parse_header
from autoscaler.prometheus.credentials import Credentials, CredentialsUnreadable
from tests.autoscaler.prometheus_asking import ask, asking, asking_client, number, reason
from tests.autoscaler.prometheus_front import running_front
from tests.autoscaler.prometheus_server import Prometheus, running_prometheus
from tests.certificates import make_certificate

URL = "http://127.0.0.1:9090"
HUSH = "$2b$04$YJ41Tkd7mPJd0JqLQThqzOeH9yBvSCLJDKF/vdgdvUQYND4h2bpz."
"""The bcrypt hash of `hush`."""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "prometheus:9090"}, "--prometheus 'prometheus:9090': must be an address such as http://127.0.0.1:9090"),
        ({"url": "http://me:hush@host:9090"}, "--prometheus: a name or password in the address would be shown in logs; "
         "give --prometheus-username and --prometheus-password-file"),
        ({"url": "http://host/?a=b"}, "--prometheus 'http://host/?a=b': must be an address such as http://127.0.0.1:9090"),
        ({"url": "http://host/api/v1/"}, "--prometheus http://host/api/v1/: leave out /api/v1, which is added"),
        ({"username": "me"}, "--prometheus-username and --prometheus-password-file go together"),
        ({"password_file": Path("p")}, "--prometheus-username and --prometheus-password-file go together"),
        ({"username": "a:b", "password_file": Path("p")}, "--prometheus-username must not hold a colon"),
        ({"username": "me", "password_file": Path("p"), "token_file": Path("t")},
         "give either --prometheus-token-file or --prometheus-username, not both"),
        ({"url": "https://host", "key_file": Path("k")}, "--prometheus-key-file needs --prometheus-cert-file"),
        ({"ca_file": Path("c")}, f"--prometheus {URL}: certificates are of no use over http://; write https://"),
        ({"token_file": Path("t"), "headers": (("authorization", "x"),)},
         "--prometheus-header Authorization does not go with a token file or a username"),
        ({"concurrency": 0}, "--prometheus-concurrency must be from 1 to 256"),
    ],
)  # fmt: skip
def test_options_which_do_not_go_together_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PrometheusAccess(**{"url": URL, **fields})
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["X-Scope-OrgID=shop", "X-Scope-OrgID: shop", " X-Scope-OrgID : shop "])
def test_a_header_is_a_name_and_a_value(text: str) -> None:
    assert parse_header(text) == ("X-Scope-OrgID", "shop")


@pytest.mark.parametrize(
    "text", ["", "name", "=value", "name=", "bad name=hush", "X=hush\r\nY: 1", "Host=hush"]
)
def test_anything_else_is_no_header_and_its_value_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--prometheus-header: ") as caught:
        parse_header(text)
    assert "hush" not in str(caught.value)


def test_headers_are_not_shown_with_the_settings() -> None:
    assert "hush" not in repr(PrometheusAccess(url=URL, headers=(("X-Key", "hush"),)))


def rewrite(path: Path, text: str) -> None:
    """Replace a file as a rotation does: by another one with the same name."""
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.replace(path)


@contextmanager
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See that no secret gets into any log meanwhile."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert "hush" not in caplog.text


async def test_a_token_is_read_again_when_its_file_changes(
    prometheus: Prometheus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("hush-1\n")
    valid = "hush-1"

    async def check(request: web.Request) -> web.StreamResponse | None:
        good = request.headers.get("Authorization") == f"Bearer {valid}"
        return None if good else web.Response(status=401)

    async with running_front(prometheus.url) as front:
        front.behave = check
        with quiet(caplog):
            async with asking(front.url, token_file=path) as queries:
                assert number(await ask(queries, "vector(1)")) == 1
                valid = "hush-2"
                assert "HTTP 401" in reason(await ask(queries, "vector(1)"))
                rewrite(path, "hush-2")
                assert number(await ask(queries, "vector(1)")) == 1


async def test_the_last_good_token_is_used_while_its_file_is_not_there(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("hush")
    async with asking(prometheus.url, token_file=path) as queries:
        await ask(queries, "vector(1)")
        path.unlink()
        answer = await ask(queries, "vector(1)")
        assert (number(answer), answer.note) == (
            1,
            f"{path}: No such file or directory; the last good one is used",
        )
        path.write_text("hush")
        assert (await ask(queries, "vector(1)")).note == ""


async def test_basic_auth_opens_a_real_prometheus(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{me: '{HUSH}'}}\n")
    path = tmp_path / "password"
    path.write_text("wrong")
    with running_prometheus(
        tmp_path / "server", options=[f"--web.config.file={tmp_path / 'web.yml'}"]
    ) as server:
        async with asking(server.url, username="me", password_file=path) as queries:
            assert "HTTP 401, access refused" in reason(await ask(queries, "vector(1)"))
            rewrite(path, "hush")
            assert number(await ask(queries, "vector(1)")) == 1


async def test_client_certificates_open_a_real_prometheus_and_are_exchanged_while_we_run(
    tmp_path: Path,
) -> None:
    ours, theirs, other = (make_certificate(tmp_path, name) for name in ("ours", "theirs", "other"))
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: {theirs}, key_file: {theirs}, client_ca_file: {ours}, "
        "client_auth_type: RequireAndVerifyClientCert}\n"
    )
    options = [f"--web.config.file={tmp_path / 'web.yml'}"]
    with running_prometheus(tmp_path / "server", scheme="https", options=options) as server:
        async with asking(server.url, ca_file=other, cert_file=ours) as queries:
            why = reason(await ask(queries, "vector(1)"))
            assert why.startswith(f"prometheus: {server.url}: TLS: ")
            assert "self-signed certificate" in why or "self signed certificate" in why
        cert = tmp_path / "current.pem"
        cert.write_bytes(other.read_bytes())
        async with asking(server.url, ca_file=theirs, cert_file=cert) as queries:
            assert reason(await ask(queries, "vector(1)"))
            rewrite(cert, ours.read_text())
            assert number(await ask(queries, "vector(1)")) == 1


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_text(""), "must hold one line of text, and nothing else"),
        (lambda path: path.write_text("two\nlines"), "must hold one line of text, and nothing else"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "must hold one line of text, and nothing else"),
        (lambda path: path.write_text("x" * 70000), "larger than 64 KiB"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: None, "No such file or directory"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    path = tmp_path / "token"
    spoil(path)
    async with asking_client(URL, token_file=path) as client:
        with pytest.raises(ConfigurationError) as caught:
            client.check()
    assert str(caught.value) == f"--prometheus {URL}: {path}: {why}"


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    good, other = make_certificate(tmp_path, "good"), make_certificate(tmp_path, "other")
    key_only = tmp_path / "key.pem"
    key_only.write_text(other.read_text().partition("-----BEGIN CERTIFICATE")[0])
    for access, named in (
        ({"ca_file": junk}, str(junk)),
        ({"ca_file": tmp_path / "none"}, f"{tmp_path / 'none'}: No such file or directory"),
        ({"cert_file": junk}, str(junk)),
        ({"cert_file": good, "key_file": key_only}, f"{good} and {key_only}: key values mismatch"),
    ):
        with pytest.raises(CredentialsUnreadable) as caught:
            Credentials(PrometheusAccess(url="https://127.0.0.1", **access)).tls()
        assert str(caught.value).startswith(named)


def test_a_key_that_does_not_fit_yet_leaves_the_last_good_pair_in_force(tmp_path: Path) -> None:
    cert, other = make_certificate(tmp_path, "cert"), make_certificate(tmp_path, "other")
    key = tmp_path / "key.pem"
    key.write_text(cert.read_text())
    credentials = Credentials(PrometheusAccess(url="https://127.0.0.1", cert_file=cert, key_file=key))
    before = credentials.tls()
    rewrite(cert, other.read_text())
    assert credentials.tls() is before
    assert "key values mismatch; the last good one is used" in credentials.complaints
    rewrite(key, other.read_text())
    assert credentials.tls() is not before
    assert credentials.complaints == ""


def test_files_that_do_not_change_are_not_read_again(tmp_path: Path) -> None:
    cert = make_certificate(tmp_path, "cert")
    credentials = Credentials(PrometheusAccess(url="https://127.0.0.1", ca_file=cert))
    before = credentials.tls()
    os.utime(cert, ns=(cert.stat().st_atime_ns, cert.stat().st_mtime_ns))
    assert credentials.tls() is before
