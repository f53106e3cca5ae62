"""What Prometheus remembers of a query over a stretch of the past, by `prometheus-api-client` and its range data frames.

For commands that may wait: it blocks. A long stretch is asked for in pieces, since a server gives 11,000 points at the most.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import requests
from urllib3.util.retry import Retry

from autoscaler.errors import AutoscalerError, ConfigurationError, brief
from autoscaler.prometheus.access import PrometheusAccess
from autoscaler.prometheus.answers import decode, only_one, problem_of, remarks_of
from autoscaler.prometheus.credentials import Credentials, CredentialsUnreadable
from rulebook.observation import Missing

POINTS: Final = 10_000
TIMEOUT_S: Final = 60.0
_RETRY: Final = Retry(total=2, backoff_factor=0.3, status_forcelist=(429, 502, 504), raise_on_status=False)


class PastUnreadable(AutoscalerError):
    """The past cannot be read, or not as one series; raised with what, where and what to do."""


class Past:
    """A server's memory. Use it as a context manager: it keeps connections."""

    def __init__(self, access: PrometheusAccess, timeout_s: float = TIMEOUT_S) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: pandas is not installed, or a file with credentials cannot be used.
        """
        try:
            from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect
        except ImportError as error:
            raise ConfigurationError("reading the past needs pandas: install tidegate[backtest]") from error
        self._frame_of: Callable[..., Any] = MetricRangeDataFrame
        self._access = access
        self._session = _session(access)
        self._connect = PrometheusConnect(
            url=access.url.rstrip("/"), session=self._session, retry=_RETRY, timeout=timeout_s, method="POST"
        )
        self.remarks: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def values(self, promql: str, start_s: int, moments: int, step_s: int) -> list[float | None] | None:
        """Return a query's value at each moment, None at a gap; None for all of it where there is no series.

        Raises:
            PastUnreadable: no answer, none that can be used, or several series.
        """
        values: list[float | None] = []
        empty = True
        for first in range(0, moments, POINTS):
            count = min(POINTS, moments - first)
            piece = self._piece(promql, start_s + first * step_s, count, step_s)
            empty = empty and piece is None
            values += piece or [None] * count
        return None if empty else values

    def _piece(self, promql: str, start_s: int, count: int, step_s: int) -> list[float | None] | None:
        end_s = start_s + (count - 1) * step_s
        try:
            result = self._connect.custom_query_range(
                promql,
                datetime.fromtimestamp(start_s, UTC),
                datetime.fromtimestamp(end_s, UTC),
                str(step_s),
                params={"partial_response": "false"},
            )
        except requests.exceptions.RequestException as error:
            raise PastUnreadable(f"{self._access.url}: {_said(error)}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise PastUnreadable(f"{self._access.url}: not the answer of a Prometheus") from error
        if not result:
            return None
        series = only_one(result)
        if isinstance(series, Missing):
            raise PastUnreadable(f"query {brief(promql)!r}: {series.reason}")
        if not series.get("values"):
            raise PastUnreadable(f"query {brief(promql)!r}: gives no numbers, but native histograms")
        with warnings.catch_warnings():
            # The library uses what newer releases of pandas announce to take away; that is for it to mend.
            warnings.simplefilter("ignore", DeprecationWarning)
            frame = self._frame_of([series], ts_as_datetime=False)
        column = frame["value"]
        column.index = ((column.index - start_s) / step_s).round().astype(int)
        column = column[~column.index.duplicated(keep="last")].reindex(range(count))
        return [value if math.isfinite(value) else None for value in column.tolist()]


def _session(access: PrometheusAccess) -> requests.Session:
    session = requests.Session()
    # Neither a ~/.netrc nor a proxy of the environment: what is sent is what the options say.
    session.trust_env = False
    session.max_redirects = 0
    credentials = Credentials(access)
    try:
        authorization = credentials.authorization()
        credentials.tls()
    except CredentialsUnreadable as error:
        raise ConfigurationError(f"--prometheus {access.url}: {error}") from error
    session.headers.update({"User-Agent": "tidegate", **dict(access.headers)})
    if authorization is not None:
        session.headers["Authorization"] = authorization
    if access.ca_file is not None:
        session.verify = str(access.ca_file)
    if access.cert_file is not None:
        session.cert = (
            str(access.cert_file)
            if access.key_file is None
            else (str(access.cert_file), str(access.key_file))
        )
    session.hooks["response"].append(_check)
    return session


def _check(response: requests.Response, *args: object, **kwargs: object) -> None:
    """Refuse what holds no result, or only a part of it, before the library takes it for one."""
    del args, kwargs
    kind = response.headers.get("Content-Type", "no type").partition(";")[0]
    payload = decode(response.content)
    problem = problem_of(response.status_code, kind, payload)
    if problem is None and payload is not None:
        partial = remarks_of(payload)[1]
        problem = f"partial data: {partial}" if partial else None
    if problem is not None:
        raise PastUnreadable(f"{response.url.partition('/api/v1')[0]}: {problem}")


def _said(error: Exception) -> str:
    """Give the innermost words: the outer ones repeat the address and the number of attempts."""
    inner: BaseException = error
    while True:
        reason = getattr(inner, "reason", None)
        following = reason if isinstance(reason, BaseException) else inner.__cause__ or inner.__context__
        if following is None or following is inner:
            break
        inner = following
    if isinstance(inner, OSError) and inner.strerror:
        return brief(inner.strerror)
    return brief(inner)
