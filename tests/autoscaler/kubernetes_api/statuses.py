"""The errors of an API server as `Status` objects, worded as the real one words them.

Sources: apimachinery `pkg/api/errors/errors.go` (reasons, codes, messages), `pkg/util/validation/field/errors.go` (causes),
apiserver `pkg/endpoints/handlers/responsewriters/errors.go` (what RBAC says).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

OPTIMISTIC_LOCK = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


class ApiError(Exception):
    """A refused request: its `Status`, whose `code` is the HTTP one, and headers that go with it."""

    def __init__(self, status: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(status["message"])
        self.status = status
        self.headers = headers or {}

    @property
    def code(self) -> int:
        code: int = self.status["code"]
        return code


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with an object; `value` None where the message does not repeat it."""

    field: str
    type: str
    detail: str = ""
    value: object = None

    @property
    def body(self) -> str:
        word = {
            "FieldValueRequired": "Required value",
            "FieldValueInvalid": "Invalid value",
            "FieldValueForbidden": "Forbidden",
            "FieldValueNotSupported": "Unsupported value",
        }[self.type]
        text = word if self.value is None else f"{word}: {json.dumps(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(field, "FieldValueRequired", detail)


def invalid_value(field: str, value: object, detail: str) -> FieldError:
    return FieldError(field, "FieldValueInvalid", detail, value)


def make(code: int, reason: str, message: str, details: Json | None = None) -> Json:
    """Make a failure; the key order is the real server's."""
    status: Json = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    return {**status, "code": code}


def qualified(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(group: str, kind: str, name: str = "", **more: Any) -> Json:
    found = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in found.items() if value} | more


def bad_request(message: str) -> ApiError:
    return ApiError(make(400, "BadRequest", message))


def unauthorized() -> ApiError:
    return ApiError(make(401, "Unauthorized", "Unauthorized"))


def forbidden(group: str, resource: str, name: str, why: str) -> ApiError:
    what = qualified(group, resource)
    if not resource:
        message = f"forbidden: {why}"
    elif name:
        message = f'{what} "{name}" is forbidden: {why}'
    else:
        message = f"{what} is forbidden: {why}"
    return ApiError(make(403, "Forbidden", message, _details(group, resource, name)))


def not_found(group: str, resource: str, name: str) -> ApiError:
    message = f'{qualified(group, resource)} "{name}" not found'
    return ApiError(make(404, "NotFound", message, _details(group, resource, name)))


def path_not_found() -> ApiError:
    """What is said of a resource which the server does not serve at all."""
    return ApiError(make(404, "NotFound", "the server could not find the requested resource", {}))


def method_not_allowed() -> ApiError:
    return ApiError(
        make(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})
    )


def already_exists(group: str, resource: str, name: str) -> ApiError:
    message = f'{qualified(group, resource)} "{name}" already exists'
    return ApiError(make(409, "AlreadyExists", message, _details(group, resource, name)))


def conflict(group: str, resource: str, name: str, why: str = OPTIMISTIC_LOCK) -> ApiError:
    message = f'Operation cannot be fulfilled on {qualified(group, resource)} "{name}": {why}'
    return ApiError(make(409, "Conflict", message, _details(group, resource, name)))


def expired(message: str) -> ApiError:
    return ApiError(make(410, "Expired", message))


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(
        accepted
    )
    return ApiError(make(415, "UnsupportedMediaType", message))


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    causes = [{"reason": error.type, "message": error.body, "field": error.field} for error in errors]
    texts = [f"{error.field}: {error.body}" for error in errors]
    together = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{qualified(group, kind)} "{name}" is invalid: {together}'
    return ApiError(make(422, "Invalid", message, _details(group, kind, name, causes=causes)))


def unprocessable(message: str) -> ApiError:
    """A patch that cannot be applied: no cause of its own, the message says it all."""
    return ApiError(
        make(422, "Invalid", "the server rejected our request due to an error in our request", {})
        | {"message": f"the server rejected our request due to an error in our request ({message})"}
    )


def internal_error(why: str) -> ApiError:
    details = {"causes": [{"message": why}]}
    return ApiError(make(500, "InternalError", f"Internal error occurred: {why}", details))


def unavailable(message: str = "the server is currently unable to handle the request") -> ApiError:
    return ApiError(make(503, "ServiceUnavailable", message))


def gateway_timeout(message: str, retry_after_s: int = 0, causes: Sequence[Json] = ()) -> ApiError:
    details: Json = {"causes": list(causes)} if causes else {}
    headers = {}
    if retry_after_s:
        details["retryAfterSeconds"] = retry_after_s
        headers["Retry-After"] = str(retry_after_s)
    return ApiError(make(504, "Timeout", f"Timeout: {message}", details), headers)


def too_large_revision(wanted: int, current: int) -> ApiError:
    """The client has seen what this server has not: the store was rolled back, or is another one."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return gateway_timeout(f"Too large resource version: {wanted}, current: {current}", 1, [cause])
