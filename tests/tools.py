"""Programs and optional packages which some tests need."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest


def need(binary: str) -> str:
    """Return the path of a program; without it the test is skipped, or fails where CI promises to have it installed."""
    path = shutil.which(binary, path=_where())
    if path is None:
        _miss(binary)
    return path


def need_package(name: str) -> None:
    """Go on only where an optional package is there; as `need` otherwise."""
    if find_spec(name) is None:
        _miss(name)


def _miss(what: str) -> NoReturn:
    reason = f"{what} is not installed"
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
