"""What can go wrong in the scaler; every error here has a one-line message fit for an operator."""

from __future__ import annotations

from rulebook.errors import Problem

FOREIGN_TEXT_LIMIT = 200


class AutoscalerError(Exception):
    """The root of this package's errors."""


class ConfigurationError(AutoscalerError):
    """Settings or documents cannot be used, or the port is taken; raised at start, with what, where and what to do."""


class DocumentsRefused(ConfigurationError):
    """Documents have errors; the message tells the first one, `problems` holds them all."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")
        self.problems = problems


class StoreUnavailable(AutoscalerError):
    """The store did not answer, or answered nonsense; raised from the client's error. Nothing is known to be written."""


class OutcomeUnknown(AutoscalerError):
    """Something was asked for that changes things, and there was no answer: it may have been done or not, in part or whole."""


class TargetError(AutoscalerError):
    """A target could not be read or scaled; raised by targets. Its replica count is as it was."""


class NotLeading(AutoscalerError):
    """Another scaler leads, or this one could not renew its lease in time; raised before a write, which is not made then."""


class LeaseTaken(AutoscalerError):
    """A lease is no longer in the form that was seen; somebody else has written it. Nothing was written."""


class LeaseUnanswered(AutoscalerError):
    """The lease's keeper was silent for longer than is waited for. A write may have been carried out or not."""


class LaterTerm(TargetError):
    """Where only leaders write, a leader of the later `term` has written. Nothing was written."""

    def __init__(self, message: str, term: int) -> None:
        super().__init__(message)
        self.term = term


class KubernetesError(AutoscalerError):
    """A Kubernetes API server refused a request, or did not answer; raised from the client's error, or from its answer.

    `status` is the HTTP status of its answer; None where there was none.
    """

    status: int | None = None


class Unauthorized(KubernetesError):
    """401: the credentials are none, or no longer valid; read anew and tried once more before this is raised."""


class Forbidden(KubernetesError):
    """403: the account lacks a right; the message names it, as the server does."""


class Missing(KubernetesError):
    """404: there is no such object, or no such kind of object."""


class Conflict(KubernetesError):
    """409: the object is no longer what it was when it was read, or exists already. Nothing was written."""


class Expired(KubernetesError):
    """410: a watch or a list cannot go on from where it was; list anew."""


class Invalid(KubernetesError):
    """400 or 422: the server does not take what it was sent; sending it again is of no use."""


class Throttled(KubernetesError):
    """429 or 503 with `Retry-After`, more often than we wait for within one call."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreachable(KubernetesError):
    """No answer, none in time, a 5xx, or one that is not from an API server. A write may have been carried out or not."""


def brief(error: BaseException | str) -> str:
    """Put an error, or text which others wrote, on one line of bounded length."""
    text = error if isinstance(error, str) else str(error) or type(error).__name__
    line = " ".join(text.split())
    return line if len(line) <= FOREIGN_TEXT_LIMIT else line[: FOREIGN_TEXT_LIMIT - 3] + "..."
