"""Logging for the command line: structlog on standard error, as JSON lines or for reading.

One line a thing that happened, whose `event` names it; what it concerns stands in fields (`onsale`, `rule`, `request_id`). Lines
of the libraries we use take the same way, so that everything on standard error can be read by one parser.
"""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError


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

_OURS = frozenset({"exception", "stack"})
"""Fields which hold lines of our own."""
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Controls, and what turns the direction of a line."""


class WithoutMalformed(logging.Filter):
    """Leaves out what aiohttp logs of each request that is no HTTP: lines for anybody to fill the log with, which repeat what
    they sent, and a header may hold a pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is to be written."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


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
    server = logging.getLogger("aiohttp.server")
    if not any(isinstance(each, WithoutMalformed) for each in server.filters):
        server.addFilter(WithoutMalformed())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(form: LogFormat) -> list[Any]:
    if form is LogFormat.JSON:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    return [_make_visible, renderer]


def _write_traceback(out: TextIO, raised: Any) -> None:
    """Write a plain traceback: locals, which other ones show, may be secrets. No line of it looks like one of ours."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, raised)
    out.write("\n".join(f"  {_escape(line)}" for line in text.getvalue().split("\n")))


def _make_visible(logger: object, name: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write control characters in what others sent as escapes: a terminal would obey them. JSON lines have none."""
    for field, value in fields.items():
        if isinstance(value, str) and not value.isprintable() and field not in _OURS:
            fields[field] = _escape(value)
    return fields


def _escape(text: str) -> str:
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)
