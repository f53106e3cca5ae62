"""Options of the whole test suite; fixtures live beside the tests that use them."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("tidegate", deadline=None)  # nothing here is measured by this machine's clock
settings.load_profile("tidegate")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the HPA vectors be read from another folder, for instance a larger set of the same kinds."""
    parser.addoption(
        "--hpa-vectors",
        metavar="DIR",
        default=None,
        help="read the HPA vectors (*.json) from DIR instead of the copy beside the tests",
    )
