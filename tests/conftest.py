"""Which build of the core the tests are of."""

import importlib
import os
from pathlib import Path

import pytest

CORE = Path(__file__).parents[1] / "livetrading" / "core"


def pytest_sessionstart() -> None:
    """Where a build is expected, as `scripts/sanitize` does, assert that it is the one imported."""
    expected = os.environ.get("LT_EXPECT_BUILD")
    for path in CORE.glob("*.pyx") if expected else ():
        found = str(importlib.import_module(f"livetrading.core.{path.stem}").__file__)
        if not found.startswith(str(expected)):
            pytest.exit(f"the core must be that of {expected}, was {found}", returncode=1)
