"""Tokens, passwords and certificates from files, read again whenever a file changes.

A rotation replaces files while we run, and not all of them in the same instant: where the new ones cannot be used (half
written, a key that does not fit its certificate) the last good ones stay in force and `complaints` says so. Nothing read here
is ever part of a message.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from autoscaler.prometheus.access import PrometheusAccess
from rulebook.filestamp import FileStamp, stamp_of

MAX_SECRET_BYTES = 64 * 1024

T = TypeVar("T")


class CredentialsUnreadable(Exception):
    """A file that is needed cannot be used, and never could; the message names it and says why."""


class Credentials:
    """What one server wants to see of us."""

    def __init__(self, access: PrometheusAccess) -> None:
        self._authorization: _Reread[str] | None = None
        self._tls: _Reread[ssl.SSLContext] | None = None
        if access.token_file is not None:
            path = access.token_file
            self._authorization = _Reread([path], lambda: f"Bearer {_secret(path)}")
        elif access.username is not None and access.password_file is not None:
            name, path = access.username, access.password_file
            self._authorization = _Reread([path], lambda: _basic(name, _secret(path)))
        files = [path for path in (access.ca_file, access.cert_file, access.key_file) if path is not None]
        if files:
            self._tls = _Reread(files, lambda: _context(access))

    def authorization(self) -> str | None:
        """Return the Authorization header's value; None where there is none to be sent.

        Raises:
            CredentialsUnreadable: there is no good one, nor was there ever.
        """
        return None if self._authorization is None else self._authorization.get()

    def tls(self) -> ssl.SSLContext | bool:
        """Return the TLS context, a new one when its files have changed; True means the system's defaults.

        Raises:
            CredentialsUnreadable: there is no good one, nor was there ever.
        """
        return True if self._tls is None else self._tls.get()

    @property
    def complaints(self) -> str:
        """What is wrong with files whose last good content is still used; empty when nothing is."""
        return "; ".join(source.complaint for source in self._sources() if source.complaint)

    def _sources(self) -> Iterator[_Reread[str] | _Reread[ssl.SSLContext]]:
        if self._authorization is not None:
            yield self._authorization
        if self._tls is not None:
            yield self._tls


class _Reread(Generic[T]):
    """A value made of files, made anew when one of them has changed."""

    def __init__(self, paths: Sequence[Path], load: Callable[[], T]) -> None:
        self._paths = paths
        self._load = load
        self._seen: tuple[FileStamp, ...] = ()
        self._value: T | None = None
        self.complaint = ""

    def get(self) -> T:
        try:
            seen = tuple(_stamp(path) for path in self._paths)
            if self._value is None or seen != self._seen:
                self._value = self._load()
                self._seen = seen
            self.complaint = ""
        except CredentialsUnreadable as error:
            if self._value is None:
                raise
            self.complaint = f"{error}; the last good one is used"
        return self._value


def _stamp(path: Path) -> FileStamp:
    try:
        return stamp_of(path.stat())
    except OSError as error:
        raise CredentialsUnreadable(f"{path}: {error.strerror}") from error


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise CredentialsUnreadable(f"{path}: {error.strerror}") from error
    if len(content) > MAX_SECRET_BYTES:
        raise CredentialsUnreadable(f"{path}: larger than {MAX_SECRET_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise CredentialsUnreadable(f"{path}: must hold one line of text, and nothing else")
    return text


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def _context(access: PrometheusAccess) -> ssl.SSLContext:
    path = access.ca_file
    try:
        context = ssl.create_default_context(cafile=None if path is None else str(path))
        path = access.cert_file
        if path is not None:
            # A key that wants a passphrase would have OpenSSL ask for it on the terminal.
            context.load_cert_chain(path, access.key_file, password=lambda: "")
    except ssl.SSLError as error:
        key = f" and {access.key_file}" if path == access.cert_file and access.key_file else ""
        why = (error.reason or "not PEM").replace("_", " ").lower()
        raise CredentialsUnreadable(f"{path}{key}: {why}") from error
    except OSError as error:
        raise CredentialsUnreadable(f"{error.filename or path}: {error.strerror}") from error
    return context
