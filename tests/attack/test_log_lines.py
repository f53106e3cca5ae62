"""What strangers send stands in a log as one line of text: it is no second line, and no order to a terminal."""

import json
import logging
import re
import subprocess
import sys

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from tidegate.logs import WithoutMalformed

HOSTILE = "/admin/\x1b[2J\x1b]0;owned\x07\n2026-01-01T00:00:00Z [info] all is well\r\x9b31m\u202egnp.exe"
WORD = "a\x1b[2Jb\x9b31m\u202ec\x07"
"""Without the blanks which would have it quoted."""
SCRIPT = """
import sys, structlog
from tidegate.logs import LogFormat, configure_logs
configure_logs(LogFormat(sys.argv[1]))
log = structlog.get_logger()
log.warning("admin_token_refused", path=sys.argv[2], word=sys.argv[3], paths=[sys.argv[2]], who={sys.argv[2]: sys.argv[2]})
try:
    raise ValueError(sys.argv[2])
except ValueError:
    log.exception("request_failed", path=sys.argv[2])
"""


def logged(form: str) -> str:
    command = [sys.executable, "-c", SCRIPT, form, HOSTILE, WORD]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr


def test_a_console_line_obeys_nobody() -> None:
    text = logged("console")
    assert "admin_token_refused" in text
    assert "\\x1b[2J" in text
    assert "word=a\\x1b[2Jb\\x9b31m\\u202ec\\x07" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    first, *rest = text.splitlines()
    assert "all is well" in first
    assert not any(line.startswith("2026-01-01") for line in rest)


def test_a_json_line_is_one_line() -> None:
    lines = [json.loads(line) for line in logged("json").splitlines()]
    assert [line["event"] for line in lines] == ["admin_token_refused", "request_failed"]
    assert lines[0]["path"] == HOSTILE


@pytest.mark.parametrize(
    ("raised", "written"),
    [(BadHttpMessage("b'Cookie: secret'"), False), (ValueError("a defect"), True)],
    ids=str,
)
def test_of_what_is_no_http_nothing_is_written(raised: Exception, written: bool) -> None:
    record = logging.LogRecord(
        "aiohttp.server", logging.ERROR, __file__, 1, "Error", None, (type(raised), raised, None)
    )
    assert WithoutMalformed().filter(record) is written
