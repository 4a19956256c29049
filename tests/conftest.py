"""Which build of the core the tests are of, and a market history that several of them read."""

import importlib
import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

CORE = Path(__file__).parents[1] / "livetrading" / "core"


def pytest_sessionstart() -> None:
    """Where a build is expected, as `scripts/sanitize` does, assert that it is the one imported."""
    expected = os.environ.get("LT_EXPECT_BUILD")
    for path in CORE.glob("*.pyx") if expected else ():
        found = str(importlib.import_module(f"livetrading.core.{path.stem}").__file__)
        if not found.startswith(str(expected)):
            pytest.exit(f"the core must be that of {expected}, was {found}", returncode=1)


MADE_FIRST, MADE_DAYS = date(2016, 3, 1), 1900


@pytest.fixture(scope="session")
def made_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A daily history of a random walk: prices, caps and addresses, heights left to the embedded table."""
    rng = np.random.default_rng(20160301)
    price = 430.0 * np.exp(np.cumsum(rng.normal(0.002, 0.035, MADE_DAYS)))
    realized = np.exp(np.convolve(np.log(price), np.full(200, 1 / 200))[:MADE_DAYS])
    realized[:200] = 0.8 * price[:200]
    addresses = np.round(5e5 * np.exp(rng.normal(0.0, 0.1, MADE_DAYS)))
    lines = ["date,price_usd,market_cap_usd,realized_cap_usd,active_addresses,mood"]
    for i in range(MADE_DAYS):
        day, caps = MADE_FIRST + timedelta(days=i), (1.6e7 * price[i], 1.6e7 * realized[i])
        lines.append(f"{day},{price[i]!r},{caps[0]!r},{caps[1]!r},{addresses[i]:.0f},?")
    path = tmp_path_factory.mktemp("history") / "made.csv"
    path.write_text("\n".join(lines).replace("np.float64(", "").replace(")", "") + "\n")
    return path
