"""How a Prometheus is reached, as the operator says it. Checked once at the start; the files themselves are read elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from autoscaler.errors import ConfigurationError
from rulebook.onsale import check_http_url

MAX_CONCURRENCY = 256
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept"}
)


@dataclass(frozen=True, slots=True)
class PrometheusAccess:
    """One server. Secrets stand in files, which are read again when they change; so no flag, log or status shows them."""

    url: str
    """Base of the API, without `/api/v1`: `http://prometheus:9090`, `https://mimir.example.org/prometheus`."""

    token_file: Path | None = None
    """Holds a bearer token."""

    username: str | None = None
    password_file: Path | None = None
    """Holds the password to `username`, for basic auth."""

    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""

    cert_file: Path | None = None
    key_file: Path | None = None
    """Our own certificate and its key (PEM); the key may stand in the certificate's file."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with each request, such as X-Scope-OrgID; hidden, since one may be a key."""

    concurrency: int = 8
    """Requests at the same time, over all rules of a process; a Prometheus runs 20 queries at once by default."""

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ConfigurationError(problem)

    @property
    def api(self) -> str:
        """The base of all paths of the API."""
        return f"{self.url.rstrip('/')}/api/v1"

    def _problems(self) -> Sequence[str]:
        problems = []
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            problems.append(
                "--prometheus: a name or password in the address would be shown in logs; "
                "give --prometheus-username and --prometheus-password-file"
            )
        elif not _is_http_url(self.url) or parts.query or parts.fragment:
            problems.append(f"--prometheus {self.url!r}: must be an address such as http://127.0.0.1:9090")
        elif parts.path.rstrip("/").endswith("/api/v1"):
            problems.append(f"--prometheus {self.url}: leave out /api/v1, which is added")
        if (self.username is None) != (self.password_file is None):
            problems.append("--prometheus-username and --prometheus-password-file go together")
        if self.username is not None and ":" in self.username:
            problems.append("--prometheus-username must not hold a colon")
        if self.token_file is not None and self.username is not None:
            problems.append("give either --prometheus-token-file or --prometheus-username, not both")
        if self.key_file is not None and self.cert_file is None:
            problems.append("--prometheus-key-file needs --prometheus-cert-file")
        if parts.scheme == "http" and (self.ca_file or self.cert_file):
            problems.append(
                f"--prometheus {self.url}: certificates are of no use over http://; write https://"
            )
        authorised = self.token_file is not None or self.username is not None
        if authorised and any(name.lower() == "authorization" for name, _ in self.headers):
            problems.append("--prometheus-header Authorization does not go with a token file or a username")
        if not 1 <= self.concurrency <= MAX_CONCURRENCY:
            problems.append(f"--prometheus-concurrency must be from 1 to {MAX_CONCURRENCY}")
        return problems


def parse_header(text: str) -> tuple[str, str]:
    """Split `NAME=VALUE` or `NAME: VALUE`.

    Raises:
        ConfigurationError: no header, or one that the client sets itself; the value, which may be a secret, is not shown.
    """
    match = re.search(r"[:=]", text)
    name = text[: match.start()].strip() if match else ""
    value = text[match.end() :].strip() if match else ""
    if not _HEADER_NAME.fullmatch(name) or not value or not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            f"--prometheus-header: must be NAME=VALUE, such as X-Scope-OrgID=shop; the name found is {name[:40]!r}"
        )
    if name.lower() in _OWN_HEADERS:
        raise ConfigurationError(f"--prometheus-header: {name} is set by the client itself")
    return name, value


def _is_http_url(url: str) -> bool:
    try:
        check_http_url(url)
    except ValueError:
        return False
    return True
