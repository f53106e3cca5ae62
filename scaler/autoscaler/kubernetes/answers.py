"""What an API server's answers mean as errors of ours. Pure.

The server explains itself in a `Status` object; a proxy in between does not, and is quoted in short.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from autoscaler.errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubernetesError,
    Missing,
    Throttled,
    Unauthorized,
    Unreachable,
    brief,
)

Json: TypeAlias = dict[str, Any]

DEFAULT_RETRY_S = 1.0
_ERRORS: Mapping[int, type[KubernetesError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: Missing,
    405: Invalid,
    409: Conflict,
    410: Expired,
    413: Invalid,
    415: Invalid,
    422: Invalid,
}


def decode(text: bytes) -> Json:
    """Decode an answer.

    Raises:
        Unreachable: it is no JSON object, so that no API server can have written it.
    """
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise Unreachable(f"the answer is not JSON, but {_quote(text)}") from error
    if not isinstance(answer, dict):
        raise Unreachable(f"the answer is not a JSON object, but {_quote(text)}")
    return answer


def error_of(status: int, text: bytes, headers: Mapping[str, str]) -> KubernetesError:
    """Return the error which an answer other than 2xx stands for; headers are asked for by their lower-case names."""
    try:
        answer = decode(text)
    except Unreachable:
        answer = {}
    message = answer.get("message")
    told = brief(message) if isinstance(message, str) and message else f"HTTP {status}: {_quote(text)}"
    retry_after_s = _retry_after_s(headers, answer)
    if status == 429 or (status >= 500 and retry_after_s is not None):
        wait_s = DEFAULT_RETRY_S if retry_after_s is None else retry_after_s
        error: KubernetesError = Throttled(told, retry_after_s=wait_s)
    else:
        kind = _ERRORS.get(status)
        error = Unreachable(f"HTTP {status}: {told}") if kind is None else kind(told)
    error.status = status
    return error


def error_of_status(status: Any) -> KubernetesError:
    """Return the error which the `Status` object of a watch stands for."""
    code = status.get("code") if isinstance(status, dict) else None
    text = json.dumps(status).encode()
    return error_of(code if isinstance(code, int) else 500, text, {})


def _retry_after_s(headers: Mapping[str, str], answer: Json) -> float | None:
    """Return the seconds to wait, from the header, or from the details of the `Status`."""
    details = answer.get("details")
    in_details = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    for found in (headers.get("retry-after"), in_details):
        try:
            if found:
                return max(float(found), 0.0)
        except (TypeError, ValueError):  # a date; servers of Kubernetes write seconds
            continue
    return None


def _quote(text: bytes) -> str:
    return repr(brief(text[:400].decode("utf-8", "replace"))) if text else "empty"
