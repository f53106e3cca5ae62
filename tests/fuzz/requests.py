"""Targets: what is read from the heads of requests, and where a buyer is sent by what a request says."""

from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from multidict import CIMultiDict

from autoscaler.console.signing_in import _safe
from tests.waitingroom.samples import onsale
from waitingroom.gate.guard import Guard, host_name
from waitingroom.gate.original import (
    UnreadableRequest,
    is_target,
    read_auth,
    read_forwarded,
    read_prefixed,
)
from waitingroom.gate.privacy import private_form
from waitingroom.gate.readings import UnclearPath, canonical_path, readings
from waitingroom.gate.returning import return_address
from waitingroom.gate.trust import TrustedProxies
from waitingroom.gate.turnaway import prefers_page, room_address
from waitingroom.middleware.events import read_news
from waitingroom.pages.languages import load_languages
from waitingroom.web.cookies import DEVICE_COOKIE, find_cookie, find_device, is_device
from waitingroom.web.limits import Clients

_NAMES = ("X-Original-URL", "X-Original-URI", "X-Original-Method", "X-Forwarded-Uri", "X-Forwarded-Method")
_NAMES = (*_NAMES, "X-Forwarded-Host", "Host", "Cookie")
_SHOP = "https://shop.example.org/cactus"
_SALE = onsale(protect=[{"path": "/cactus"}], bypass=[{"path": "/cactus/free"}])
_GUARD = Guard([_SALE])
_CLIENTS = Clients(TrustedProxies(["10.0.0.0/8", "2001:db8::/32"]))
_LANGUAGES = load_languages()


def original(data: bytes) -> None:
    """A proxy's question names one request, of clean parts, or is unreadable."""
    headers: CIMultiDict[str] = CIMultiDict()
    for line in data.decode("latin-1").split("\n"):
        if line:
            headers.add(_NAMES[ord(line[0]) % len(_NAMES)], line[1:])
    for configured in ({}, {"host": "shop.example.org"}, {"host": "a b"}):
        for read in (read_auth, read_forwarded):
            try:
                asked = read(headers, configured)
            except UnreadableRequest as unreadable:
                assert not any(len(value) > 8 and value in str(unreadable) for value in headers.values())
                continue
            assert is_target(asked.target)
            assert all(host_name(host) is not None for host in asked.hosts)
            assert asked.path.startswith("/")
            _GUARD.judge_all(asked.method, asked.hosts, asked.path)
            room_address("https://room.example.org", _SALE, asked.method, asked.target)
    text = data.decode("latin-1")
    try:
        read_prefixed("GET", "shop.example.org", text)
    except UnreadableRequest:
        pass


def paths(data: bytes) -> None:
    """What a shop may read as guarded needs a pass, in whatever spelling; what cannot be read is refused."""
    text = data.decode("latin-1")
    path = text if text.startswith("/") else f"/{text}"
    canonical = canonical_path(path)
    assert canonical.startswith("/")
    try:
        all_readings = readings(path)
    except UnclearPath:
        assert _GUARD.judge("GET", "shop.example.org", path).refused
        return
    assert canonical_path(path) in all_readings or any(mark in path for mark in "?#;\\")
    # Dots may stay, as some shops resolve none; but what a second server makes of a reading was judged, too.
    for reading in all_readings:
        assert canonical_path(reading.encode("latin-1").decode("utf-8", "surrogateescape")) in all_readings
    plain = unquote_to_bytes(path.partition("?")[0].partition("#")[0]).decode("latin-1").replace("\\", "/")
    segments: list[str] = []
    for segment in plain.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in {"", "."}:
            segments.append(segment)
    if segments[:1] == ["cactus"] and segments[1:2] != ["free"] and path != "/.tidegate/enter":
        judged = _GUARD.judge("GET", "shop.example.org", path)
        assert judged.onsale is not None or judged.refused, path


def returning(data: bytes) -> None:
    """A buyer comes to the shop and nowhere else, whatever they wanted; an operator stays in the console."""
    text = data.decode("utf-8", "surrogateescape")
    address = return_address(_SHOP, text)
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.username) == ("https", "shop.example.org", None)
    assert parts.path == "/cactus" or parts.path.startswith("/cactus/")
    assert address.isascii()
    assert address.isprintable()
    assert "/../" not in f"{unquote_to_bytes(parts.path).decode('latin-1')}/"
    goal = urlsplit(urljoin("https://ops.example.org/console/sign-in", _safe(text)))
    assert (goal.scheme, goal.netloc) == ("https", "ops.example.org")
    assert private_form(text).startswith("private")


def heads(data: bytes) -> None:
    """Cookies, addresses, languages and events: anything may stand there, and nothing breaks."""
    text = data.decode("utf-8", "surrogateescape")
    value = find_cookie(text, DEVICE_COOKIE)
    assert value is None or (value in text and ";" not in value)
    for secure in (True, False):
        device = find_device(text, secure=secure)
        assert device is None or is_device(device)
    forwarded = CIMultiDict([("X-Forwarded-For", line) for line in text.split("\n")])
    for peer in (text, "10.0.0.1", "203.0.113.9", None):
        client = _CLIENTS.client(peer, forwarded)
        assert client
        assert len(client) < 64
        assert peer != "203.0.113.9" or client == peer
        _CLIENTS.speaks_for_itself(peer, forwarded)
    assert _LANGUAGES.choose(text, text).code in {each.code for each in _LANGUAGES}
    prefers_page(text)
    host = host_name(text)
    assert host is None or host == host.lower()
    list(read_news(data.split(b"\n")))
