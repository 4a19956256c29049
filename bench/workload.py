"""What the benchmarks run on: the configured market, W1's tape, and the kernel that speeds are held against.

    python bench/workload.py N FILE.npy

writes the first N ticks of W1 (float64 of shape (4, N): bid, ask, trade quantity, trade side).
"""

import hashlib
import sys
import time
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config
from livetrading.core.market import ChaosMarket
from livetrading.core.processor import Processor

__all__ = ["add_up", "additions_per_second", "fed_market", "fresh_processor", "tape_w1", "write_w1"]

NS_PER_S = 1_000_000_000
ADDITIONS = 1 << 16
W1_SEED = 20240611
W1_CHUNK = 1_000_000
W1_WINDOW = 100
W1_DIGEST = "51679a6f9aa8f7dee463407ae56e5111f80ddc89e94f59c2c7b2c5d7747770a2"
"""SHA-256 of the first 100,000 quotes: that the tape is the one other engines were measured on."""


def fed_market(config: Config, ticks: int) -> ChaosMarket:
    """Return the configured chaos market with true prices for its first `ticks` ticks."""
    market, chain = config.market, ChainClock(config.market.seed)
    dt_ns = round(market.dt_s * NS_PER_S)
    chaos = ChaosMarket(market.seed, chain.start_ns, dt_ns, spread_bps=market.spread_bps)
    chaos.feed(chain.knots(chain.start_ns + ticks * dt_ns))
    return chaos


def fresh_processor(config: Config, market: ChaosMarket | None = None) -> Processor:
    """Return a processor of this configuration that has seen no tick."""
    return Processor(config.settings, config.run.capital, market)


def add_up(passes: int) -> None:
    """Run the calibration kernel: 65,536 dependent float64 additions a pass, without the GIL."""
    chain = np.ones(ADDITIONS)
    sums = np.empty_like(chain)
    for _ in range(passes):
        np.add.accumulate(chain, out=sums)


def additions_per_second(rounds: int = 5) -> float:
    """Return how many dependent float64 additions a second this core does now, the best of `rounds`.

    One chain of additions can be neither reordered nor vectorised, fits the cache and is no code of this
    package: it moves with the clock and the load of the machine, as the core's recurrences do, and with
    nothing else.
    """
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        add_up(16)
        best = min(best, time.perf_counter() - begun)
    return 16 * ADDITIONS / best


def ties(u: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the places where z is 0 or +-2 to the bit, which rounding could decide either way."""
    first, second = np.cumsum(np.r_[0, u]), np.cumsum(np.r_[0, u * u])
    total = first[W1_WINDOW:] - first[:-W1_WINDOW]
    spread = W1_WINDOW * (second[W1_WINDOW:] - second[:-W1_WINDOW]) - total * total
    gap = W1_WINDOW * u[W1_WINDOW - 1 :] - total
    return np.flatnonzero((gap == 0) | (gap * gap == 4 * spread)) + W1_WINDOW - 1


def tape_w1(n: int) -> NDArray[np.float64]:
    """Return W1: mid 60,000 plus a random walk and an AR(1) on a grid of 0.25, one tick a millisecond.

    Parameters
    ----------
    n : int
        Ticks, at least 100,000.

    Returns
    -------
    ndarray of float64, shape (4, n)
        bid, ask (USD), trade quantity (BTC), trade side (+1 bought).

    Raises
    ------
    ValueError
        If it is not the tape that other engines were measured on.
    """
    rng = np.random.default_rng(W1_SEED)
    grid, quantity, side = [], [], []
    walk = noise = 0.0
    for _ in range(-(-n // W1_CHUNK)):
        path = walk + np.cumsum(rng.normal(0.0, 0.5, W1_CHUNK))
        shocks = rng.normal(0.0, 0.6, W1_CHUNK)
        chain = accumulate(shocks, lambda a, e: 0.98 * a + e, initial=noise)
        fade = np.fromiter(chain, float, W1_CHUNK + 1)[1:]
        walk, noise = path[-1], fade[-1]
        quantity.append(rng.exponential(0.05, W1_CHUNK))
        side.append(rng.integers(0, 2, W1_CHUNK) * 2.0 - 1.0)
        grid.append(np.rint((path + fade) / 0.25).astype(np.int64))
    u = np.concatenate(grid)
    while (at := ties(u)).size:
        u[at] += 1
    mid = 60_000.0 + 0.25 * u[:n]
    tape = np.stack([mid - 0.5, mid + 0.5, np.concatenate(quantity)[:n], np.concatenate(side)[:n]])
    found = hashlib.sha256(np.ascontiguousarray(tape[:2, :100_000]).tobytes()).hexdigest()
    if found != W1_DIGEST:
        raise ValueError(f"the SHA-256 of the first 100,000 quotes must be {W1_DIGEST}, was {found}")
    return tape


def write_w1(path: Path, n: int) -> None:
    """Write the first `n` ticks of W1, unless the file is there."""
    if not path.exists():
        np.save(path, tape_w1(n))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_w1(Path(sys.argv[2]), int(sys.argv[1]))
