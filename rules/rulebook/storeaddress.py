"""Reads the address of the store, which room and scaler share. It opens no connection, and no message ever holds a password.

Of the files that TLS options name it sees whether they are there, and reads none.

- `redis://[user:password@]host[:port][/db]`, `rediss://` the same with TLS
- `unix://[user:password@]/path/of/socket`
- `redis+sentinel://[user:password@]host[:port],.../master name[/db]`, `rediss+sentinel://`
- `redis+cluster://[user:password@]host[:port],...`, `rediss+cluster://`
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

FORMS = "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
_KINDS: Mapping[str, Literal["single", "unix", "sentinel", "cluster"]] = {
    "redis": "single",
    "rediss": "single",
    "unix": "unix",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:,/\s]+))(?::(?P<port>\d{1,5}))?")
_PORT, _SENTINEL_PORT = 6379, 26379


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is. `path` is that of a unix socket, `master` the name by which Sentinels know it."""

    kind: Literal["single", "unix", "sentinel", "cluster"]
    tls: bool
    hosts: tuple[tuple[str, int], ...]
    path: str
    master: str
    db: int
    username: str | None
    password: str | None
    sentinel_username: str | None
    sentinel_password: str | None
    options: Mapping[str, Any]

    def client_options(self, *, timeout_s: float, connections: int) -> dict[str, Any]:
        """Return what a client of redis-py is opened with, whatever the kind; what the address says comes first."""
        options: dict[str, Any] = {
            "decode_responses": True,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "max_connections": connections,
            "username": self.username,
            "password": self.password,
            # The library would name itself with CLIENT SETINFO, which Redis 7.0 doesn't know: no ACL line could grant it on every
            # server, and where it isn't granted each new connection leaves an entry in ACL LOG.
            "driver_info": None,
            **self.options,
        }
        if self.tls:
            options["ssl"] = True
        return options

    def sentinel_options(self, client_options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a client of a Sentinel is opened with: a user of its own; TLS and patience as the servers have."""
        shared = {
            name: value
            for name, value in client_options.items()
            if name.startswith(("socket_", "ssl")) or name in {"protocol", "driver_info"}
        }
        return {**shared, "username": self.sentinel_username, "password": self.sentinel_password}

    def single_place(self) -> dict[str, Any]:
        """Return where a client of one server connects to: its socket, or its host and port."""
        if self.kind == "unix":
            return {"unix_socket_path": self.path}
        ((host, port),) = self.hosts
        return {"host": host, "port": port}


def read_address(url: str) -> Address:
    """Take an address apart.

    Raises:
        ValueError: it is of none of the forms above; the message says in one line what is wrong.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("not an address: write an IPv6 host as [::1]") from None
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        raise ValueError(f"an address begins with {FORMS}")
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError("write '/', '?', '#' and '@' in user, password and options as %2F, %3F, %23 and %40")
    user, _, place = parts.netloc.rpartition("@")
    username, _, password = user.partition(":")
    tls = parts.scheme.startswith("rediss")
    options = _read_options(parts.query, kind, tls=tls)
    path, master, db = _read_path(parts, kind)
    db = options.pop("db", db)
    return Address(
        kind=kind,
        tls=tls,
        hosts=_read_hosts(place, kind),
        path=path,
        master=master,
        db=db,
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_username=options.pop("sentinel_username", None),
        sentinel_password=options.pop("sentinel_password", None),
        options=options,
    )


def check_closed(address: Address, *, allow_open: bool) -> None:
    """Refuse a store that asks nobody who they are, unless it is on this machine or `allow_open` says that it may be.

    Whoever can write to the store can let in anybody. A client certificate proves as much as a password.

    Raises:
        ValueError: it is such a one; the message says what to do.
    """
    for host, _ in address.hosts:
        check_host(address, host, allow_open=allow_open)


def check_host(address: Address, host: str, *, allow_open: bool) -> None:
    """The same of one server, also of those which Sentinels or a cluster name.

    Raises:
        ValueError: it is such a one.
    """
    if allow_open or address.password or "ssl_certfile" in address.options or _is_here(host):
        return
    raise ValueError(
        f"no password for {host}, and whoever can write to the store can let in anybody: give one "
        "(redis://user:password@host), or --allow-open-store if nobody else can reach it"
    )


def public_form(url: str) -> str:
    """Return what a log may show of an address: of one that cannot be read, only how it begins."""
    scheme = url.partition("://")[0]
    if scheme not in _KINDS:
        return "(no address)"
    try:
        address = read_address(url)
    except ValueError:
        return f"{scheme}://..."
    hosts = ",".join(f"{host}:{port}" for host, port in address.hosts)
    return f"{scheme}://{hosts}{address.path or f'/{address.master}'.rstrip('/')}"


def _read_hosts(place: str, kind: str) -> tuple[tuple[str, int], ...]:
    if kind == "unix":
        if place:
            raise ValueError("the path of a unix socket begins with a slash: unix:///run/valkey.sock")
        return ()
    hosts = []
    for text in place.split(","):
        found = _HOST.fullmatch(text)
        if found is None or int(found["port"] or 0) > 65535:
            raise ValueError("each server is written as host:port, with a comma between several")
        port = int(found["port"] or (_SENTINEL_PORT if kind == "sentinel" else _PORT))
        hosts.append((found["six"] or found["name"], port))
    if kind == "single" and len(hosts) > 1:
        raise ValueError("several servers need redis+sentinel:// or redis+cluster://")
    return tuple(hosts)


def _read_path(parts: SplitResult, kind: str) -> tuple[str, str, int]:
    """Return the socket's path, the master's name and the database, as far as the kind has them."""
    path = unquote(parts.path)
    if kind == "unix":
        if len(path) < 2:
            raise ValueError("the path of the unix socket is missing: unix:///run/valkey.sock")
        return path, "", 0
    master, db = "", path.strip("/")
    if kind == "sentinel":
        master, _, db = db.partition("/")
        if not master:
            raise ValueError("the master's name is missing: redis+sentinel://host:26379/<master name>")
    if kind == "cluster" and db:
        raise ValueError("a cluster has no databases: leave out what follows the servers")
    if db and not db.isdecimal():
        raise ValueError("the database is a number: redis://host:6379/0")
    return "", master, int(db or 0)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _truth(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]


def _file(text: str) -> str:
    if not Path(text).is_file():
        raise FileNotFoundError
    return text


def _requirement(text: str) -> str:
    if text not in {"none", "optional", "required"}:
        raise ValueError
    return text


_Reader = Callable[[str], Any]
_ANY: Mapping[str, _Reader] = {
    "client_name": str,
    "protocol": int,
    "max_connections": int,
    "socket_timeout": float,
    "socket_connect_timeout": float,
}
_TLS: Mapping[str, _Reader] = {
    "ssl_ca_certs": _file,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_cert_reqs": _requirement,
    "ssl_check_hostname": _truth,
}
_OF_KIND: Mapping[str, Mapping[str, _Reader]] = {
    "single": {"db": int},
    "unix": {"db": int},
    "sentinel": {"db": int, "sentinel_username": str, "sentinel_password": str},
    "cluster": {},
}


def _read_options(query: str, kind: str, *, tls: bool) -> dict[str, Any]:
    known = {**_ANY, **_OF_KIND[kind], **(_TLS if tls else {})}
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name in _TLS and not tls:
            raise ValueError(f"{name} needs TLS: write rediss instead of redis")
        if name not in known:
            raise ValueError(f"an option is unknown; there are {', '.join(sorted(known))}")
        try:
            options[name] = known[name](text)
        except FileNotFoundError:
            raise ValueError(f"{name}: there is no such file") from None
        except (ValueError, KeyError):
            raise ValueError(f"{name} cannot have this value") from None
    return options
