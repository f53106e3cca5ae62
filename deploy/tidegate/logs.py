"""Logging for the command line: structlog on standard error, as JSON lines or for reading.

One line a thing that happened, whose `event` names it; what it concerns stands in fields (`onsale`, `rule`, `request_id`). Lines
of the libraries we use take the same way, so that everything on standard error can be read by one parser.
"""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import Any

import structlog


class LogFormat(StrEnum):
    """How a line looks."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least of what is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    def severity(self) -> int:
        """Return the level's number in the standard library."""
        return logging.getLevelNamesMapping()[self.upper()]


_QUIET = ("asyncio", "aiohttp", "redis", "kubernetes_asyncio", "urllib3")
"""Libraries that tell too much below a warning, headers and bodies among it."""


def configure_logs(form: LogFormat, level: LogLevel = LogLevel.INFO) -> None:
    """Send all logs to standard error."""
    common: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _renderers(form)
    structlog.configure(
        processors=[*common, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level.severity()),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(form: LogFormat) -> list[Any]:
    if form is LogFormat.JSON:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback  # locals, which other tracebacks show, may be secrets
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
