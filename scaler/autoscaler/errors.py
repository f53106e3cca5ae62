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


class TargetError(AutoscalerError):
    """A target could not be read or scaled; raised by targets. Its replica count is as it was."""


def brief(error: BaseException | str) -> str:
    """Put an error, or text which others wrote, on one line of bounded length."""
    text = error if isinstance(error, str) else str(error) or type(error).__name__
    line = " ".join(text.split())
    return line if len(line) <= FOREIGN_TEXT_LIMIT else line[: FOREIGN_TEXT_LIMIT - 3] + "..."
