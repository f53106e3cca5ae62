"""What a running scaler reads now, from its /status, in the words of `tidegate rules explain`."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.error import URLError

from autoscaler.wording import said_by_system
from rulebook.observation import Crowd, Missing, Reading, Value
from rulebook.onsale import check_http_url
from rulebook.trial import TrialError, TrialInput

TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 8 * 1024 * 1024


def read_live(url: str, rule: str, at: str | None = None) -> TrialInput:
    """Ask a scaler for the readings and counts of one rule.

    Raises:
        TrialError: it cannot be asked, does not answer as a scaler does, or does not run that rule.
    """
    try:
        check_http_url(url)
        with urllib.request.urlopen(f"{url.rstrip('/')}/status", timeout=TIMEOUT_S) as answer:  # noqa: S310  # checked to be http(s)
            status = json.loads(answer.read(MAX_BYTES))
        known = dict(status["rules"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise TrialError(f"no status of a scaler at {url}: {_reason(error)}") from error
    if rule not in known:
        raise TrialError(
            f"the scaler at {url} does not run rule {rule}; it runs: {', '.join(known) or 'none'}"
        )
    try:
        return _trial(known[rule], at)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TrialError(f"no status of a scaler at {url}: {error!r}") from error


def _reason(error: Exception) -> str:
    """Give the system's words, where urllib wraps them in its own."""
    inner = error.reason if isinstance(error, URLError) else error
    if isinstance(inner, OSError):
        return said_by_system(inner)
    return str(inner)[:200]


def _trial(status: Mapping[str, Any], at: str | None) -> TrialInput:
    readings = {name: _reading(told) for name, told in status["signals"].items()}
    replicas, ready = status["replicas"], status["ready"]
    return TrialInput(current=int(replicas or 0), ready=int(ready or 0), at=at, readings=readings)


def _reading(told: Mapping[str, Any]) -> Reading:
    """Give a reading as the loop had it; its time does not matter, as it counts as read now."""
    if "backlog" in told:
        opens_at, sessions = told.get("opens_at"), told.get("sessions")
        return Crowd(
            at_s=0.0,
            arrivals_per_s=float(told["arrivals_per_s"]),
            backlog=int(told["backlog"]),
            opens_at_s=None if opens_at is None else float(opens_at),
            sessions=None if sessions is None else int(sessions),
        )
    value = told.get("value")
    if value is None:
        return Missing(str(told.get("missing", "no reading")), told.get("answered") is True)
    return Value(float(value), 0.0)
