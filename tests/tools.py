"""Programs which some tests need beside Python."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


def need(binary: str) -> str:
    """Return the path of a program; without it the test is skipped, or fails where CI promises to have it installed."""
    path = shutil.which(binary, path=_where())
    if path is not None:
        return path
    reason = f"{binary} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _where() -> str:
    """Return where programs are: beside Python and in packages which carry one, then where the system has them."""
    folders = [str(Path(sys.executable).parent)]
    envoy = find_spec("envoy")
    if envoy is not None and envoy.origin is not None:
        folders.append(str(Path(envoy.origin).parent / "_bin"))
    return os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
