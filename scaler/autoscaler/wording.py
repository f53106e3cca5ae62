"""Puts what systems and HTTP clients say of a failure in words for an operator. It knows no server and raises nothing."""

from __future__ import annotations

import os
import ssl

import aiohttp

from autoscaler.errors import brief


def said(error: BaseException) -> str:
    """Give the system's own words where there are any; aiohttp's repeat the address, and which TLS context was used."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return brief(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return said_by_system(error.os_error)
    return brief(error)


def said_by_system(error: OSError) -> str:
    """Give the words of an error number alone; Python's repeat the address, and names that do not resolve have no number."""
    number = error.errno
    if number and number > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(number)
    return brief(error.strerror or error)
