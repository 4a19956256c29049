"""Seconds for ten million heights: the chain's columns, their TRUE PRICE, and both together.

    pytest bench/bench_chain.py --benchmark-json=chain.json

The best of the rounds counts, as other processes only ever slow one. A virtual machine that is first
given the 1.5 GB of the answers by its host takes seconds for that, which are not this code's. In
`extra_info`: `heights_per_second`, and `ratio`, heights per thousand additions of the calibration kernel
(workload.py) that runs before every round. BENCH_ROUNDS is 7.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from workload import additions_per_second

from livetrading.blockchain.chain_state import chain_columns
from livetrading.blockchain.mathematical_price import TruePrices, implied_energy_cost, true_price

HEIGHTS = 10_000_000
SUBSIDISED = 6_930_000
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))


@pytest.fixture(scope="module")
def heights() -> NDArray[np.int64]:
    """Return the heights with subsidy, from 1 on, and again until there are ten million."""
    return 1 + np.arange(HEIGHTS) % (SUBSIDISED - 1)


def measure(benchmark: Any, work: Callable[[], object]) -> None:
    """Time `work` over all heights, and note the speed."""
    kernel: list[float] = []
    benchmark.pedantic(work, setup=lambda: kernel.append(additions_per_second()), rounds=ROUNDS)
    if benchmark.stats is None:  # --benchmark-disable
        return
    speed = HEIGHTS / benchmark.stats.stats.min
    benchmark.extra_info["heights_per_second"] = speed
    benchmark.extra_info["ratio"] = 1000 * speed / max(kernel)


def valued(columns: dict[str, NDArray[Any]]) -> TruePrices:
    """Return every field of TRUE PRICE for these columns."""
    return true_price(columns["height"], columns["hash_rate"], columns["time"], columns["efficiency"])


def test_chain_columns(benchmark: Any, heights: NDArray[np.int64]) -> None:
    """Time, difficulty, hash rate, efficiency and supply of each height."""
    measure(benchmark, lambda: chain_columns(heights))


def test_true_price(benchmark: Any, heights: NDArray[np.int64]) -> None:
    """All thirteen fields, from columns made beforehand."""
    columns = chain_columns(heights)
    assert not valued(columns).reason.any()
    measure(benchmark, lambda: valued(columns))


def test_from_heights_to_prices(benchmark: Any, heights: NDArray[np.int64]) -> None:
    """The whole way."""
    measure(benchmark, lambda: valued(chain_columns(heights)))


def test_implied_energy_cost(benchmark: Any, heights: NDArray[np.int64]) -> None:
    """One field alone, whose intermediates stay in the cache."""
    columns = chain_columns(heights)
    arguments = [columns[name] for name in ("height", "hash_rate", "time", "efficiency")]
    measure(benchmark, lambda: implied_energy_cost(90_000.0, *arguments))
