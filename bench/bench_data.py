"""Ticks a second of the data layer.

    python -m pytest bench/bench_data.py --benchmark-json=bench.json

Rounds and `extra_info` are those of bench_core.py.
"""

from typing import Any

import numpy as np
import pytest
from bench_core import ROUNDS, TICKS, measure, some_ticks
from numpy.typing import NDArray

from livetrading.config import load_config
from livetrading.data.bars import BarBuilder, bars, parse_rule


@pytest.fixture(scope="module")
def market() -> NDArray[np.void]:
    """Return ticks of the chaos market: each with a new quote, one in eight with a trade."""
    return some_ticks(load_config({"run.capital": 100.0}, preset="realistic"), TICKS)


@pytest.fixture(scope="module")
def trades(market: NDArray[np.void]) -> NDArray[np.void]:
    """Return the same, each with a trade, so that no rule has ticks to skip."""
    ticks = market.copy()
    rng = np.random.default_rng(1)
    ticks["flags"] = 3
    ticks["volume"] = rng.exponential(0.02, len(ticks))
    ticks["side"] = rng.choice([-1, 1], len(ticks))
    return ticks


BAR_RULES = [
    *("time:1s", "time:1m", "tick:1000", "volume:10", "dollar:1e6"),
    *("tick-imbalance", "volume-imbalance", "tick-run", "dollar-run"),
]


@pytest.mark.parametrize("rule", BAR_RULES)
def test_bars(benchmark: Any, trades: NDArray[np.void], rule: str) -> None:
    """Bars of an array in which every tick has a trade."""
    start = lambda: (BarBuilder(parse_rule(rule)),)  # noqa: E731
    measure(benchmark, lambda builder: builder.push(trades), TICKS, start, ROUNDS)


@pytest.mark.parametrize("rule", ["time:1m", "volume:10", "dollar:1e6"])
def test_bars_in_chunks(benchmark: Any, market: NDArray[np.void], rule: str) -> None:
    """Bars of chunks of 16,384 ticks, as recordings are read, one in eight with a trade."""
    chunks = np.split(market, range(16_384, TICKS, 16_384))
    start = lambda: (BarBuilder(parse_rule(rule)),)  # noqa: E731
    measure(benchmark, lambda builder: sum(map(len, bars(chunks, builder))), TICKS, start, ROUNDS)
