"""Programs which some tests need beside Python."""

import os
import shutil
import sys
from pathlib import Path

import pytest


def need(binary: str) -> str:
    """Return the path of a program; without it the test is skipped, or fails where CI promises to have it installed."""
    beside_python = str(Path(sys.executable).parent)  # some come as packages
    path = shutil.which(binary) or shutil.which(
        binary, path=f"{beside_python}:/usr/sbin:/usr/local/sbin:/sbin"
    )
    if path is not None:
        return path
    reason = f"{binary} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
