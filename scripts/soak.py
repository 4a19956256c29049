"""Run a preset for a thousand million ticks: flat memory, and at the end state equal to a fresh computation.

``python scripts/soak.py --ticks 1000000000 --preset realistic`` samples the resident memory every million
ticks, fits a line through the samples after the first tenth (Theil-Sen: the median slope of all pairs), and
compares z-score, order flow imbalance and price level of the last rows with two passes over their windows in
extended precision. It ends with 1 where memory grows by more than 1 KiB in 10^8 ticks, a descriptor stays
open, or a value is off by more than 1e-9.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "core"))

from test_drift import KEPT, check_level, check_ofi, check_z

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import load_config
from livetrading.core.dtypes import RESULT, TICK
from livetrading.core.market import ChaosMarket
from livetrading.core.processor import Processor
from livetrading.core.settings import horizons

STEP: Final = 1_000_000
SLOPE_MAX: Final = 1024.0
"""Bytes in 10^8 ticks."""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def theil_sen(y: NDArray[np.float64]) -> float:
    """Median slope of all pairs, per step."""
    i, k = np.triu_indices(len(y), 1)
    return float(np.median((y[k] - y[i]) / (k - i)))


class Soak:
    """A processor on the chaos market, driven as a run drives it."""

    def __init__(self, preset: str, seed: int, books: int) -> None:
        given = {"run.capital": 100, "market.seed": seed, "books.count": books}
        self.config = load_config(given, preset=preset, environ={})
        self.chain = ChainClock(seed)
        dt_ns = round(self.config.market.dt_s * 1e9)
        spread = self.config.market.spread_bps
        self.market = ChaosMarket(seed, self.chain.start_ns, dt_ns, spread_bps=spread)
        self.processor = Processor(self.config.settings, 100.0, self.market)

    def feed(self, n: int) -> NDArray[np.void]:
        last = self.market.next_ts + (n - 1) * self.market.dt_ns
        knots = self.chain.knots(last)
        self.market.feed(knots)
        return knots

    def run(self, n: int) -> None:
        """Run in the chunks of the configuration."""
        while n > 0:
            length = min(n, self.config.run.chunk)
            self.feed(length)
            self.processor.run(length)
            n -= length

    def last_rows(self) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """Take `KEPT` more ticks as an array; the ticks and their rows."""
        ticks, rows = np.zeros(KEPT, TICK), np.zeros(KEPT, RESULT)
        self.feed(KEPT)
        self.market.fill(ticks)
        self.processor.replay(ticks, rows)
        return ticks, rows


def check_state(ticks: NDArray[np.void], rows: NDArray[np.void], window: int) -> None:
    """Raise AssertionError where a rolling value is not that of two passes over its window."""
    mid = 0.5 * ticks["bid"] + 0.5 * ticks["ask"]
    assert (np.diff(mid) != 0).all(), "201 counts changes, so every tick has to be one"
    quotes: tuple[NDArray[Any], ...] = tuple(ticks[name] for name in ("bid", "ask", "bid_size", "ask_size"))
    check_z(rows["z_score"], (mid,), window)
    check_ofi(rows["ofi"], quotes, window)
    check_level(np.log(rows["kalman_level"]), (mid,))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--ticks", type=int, default=1_000_000_000)
    parser.add_argument("--preset", default="realistic")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--books", type=int, default=1)
    given = parser.parse_args()
    soak = Soak(given.preset, given.seed, given.books)
    samples, begun, before = np.zeros(max(10, given.ticks // STEP)), time.monotonic(), descriptors()
    for k in range(len(samples)):
        soak.run(STEP)
        samples[k] = resident()
    seconds = time.monotonic() - begun
    totals = soak.processor.totals()
    warm = samples[len(samples) // 10 :]
    slope = theil_sen(warm) * 1e8 / STEP
    check_state(*soak.last_rows(), horizons(soak.config.settings)[0])
    done = f"{totals['ticks']:,} ticks, {totals['fills']:,} fills in {seconds:.0f} s"
    print(f"{given.preset}, books {given.books}: {done}")
    print(f"resident {warm[0] / 1024:,.0f} KiB after the first tenth, {warm[-1] / 1024:,.0f} KiB at the end,")
    print(f"  {slope / 1024:.3f} KiB in 10^8 ticks; descriptors {before} and {descriptors()}")
    print("z-score, order flow imbalance and level: within 1e-9 of two passes over their windows")
    return int(slope >= SLOPE_MAX or descriptors() != before)


if __name__ == "__main__":
    sys.exit(main())
