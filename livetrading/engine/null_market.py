"""The null control: a random walk with the volatility of the market it stands beside."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import MarketConfig
from livetrading.core.dtypes import TICK
from livetrading.core.errors import LivetradingError
from livetrading.core.market import ChaosMarket, GbmMarket, realised_sd
from livetrading.data.ticks import quoted

__all__ = ["NoNullMarket", "RandomWalk", "walk_like_chaos", "walk_like_recording"]

LAG: Final = 256
"""Ticks over which volatilities are matched (chain.md, 7.2)."""
CHAOS_TICKS: Final = 1 << 20
BLOCK: Final = 1 << 16
LEAST_RETURNS: Final = 8
SPREADS: Final = 1 << 20
"""About the most spreads the median is taken of."""
NS_PER_S: Final = 1_000_000_000
CLOCK_END_NS: Final = 1 << 62
"""Where the clock of a simulated market ends, in the year 2116."""


class NoNullMarket(LivetradingError, ValueError):
    """No random walk can be matched to a recording: it is too short, never moves, or is out of all bounds."""


@dataclass(frozen=True)
class RandomWalk:
    """What defines a `gbm` market besides its seed.

    Attributes
    ----------
    start_ns, dt_ns : int
        Time of the first tick since the Unix epoch, and between ticks.
    price : float
        First mid, in USD.
    sd : float
        Standard deviation of the log return of one tick.
    spread_bps : float
    """

    start_ns: int
    dt_ns: int
    price: float
    sd: float
    spread_bps: float

    def market(self, seed: int) -> GbmMarket:
        """Make the market."""
        return GbmMarket(seed, self.start_ns, self.dt_ns, self.price, self.sd, spread_bps=self.spread_bps)

    def described(self) -> dict[str, Any]:
        """Return what differs from the configured market in a report."""
        return {"name": "gbm", "dt_s": self.dt_ns / NS_PER_S, "spread_bps": self.spread_bps, "columns": {}}


def walk_like_chaos(market: MarketConfig) -> RandomWalk:
    """Match the chaos market of the same seed, over its first 2**20 ticks.

    Returns
    -------
    RandomWalk
        It starts at the chain's true price, at the chain's start.
    """
    chain = ChainClock(market.seed)
    dt_ns = round(market.dt_s * NS_PER_S)
    chaos = ChaosMarket(market.seed, chain.start_ns, dt_ns, spread_bps=market.spread_bps)
    block = np.empty(BLOCK, TICK)
    kept = np.empty(CHAOS_TICKS // LAG, TICK)  # the returns need no tick between
    price = 0.0
    for begin in range(0, CHAOS_TICKS, BLOCK):
        knots = chain.knots(chaos.next_ts + (BLOCK - 1) * dt_ns)
        if begin == 0:
            price = float(knots["true_price"][0])
        chaos.feed(knots)
        chaos.fill(block)
        kept[begin // LAG : (begin + BLOCK) // LAG] = block[::LAG]
    sd = realised_sd(kept, 1) / LAG**0.5
    return RandomWalk(chain.start_ns, dt_ns, price, sd, market.spread_bps)


def walk_like_recording(ticks: NDArray[np.void]) -> RandomWalk:
    """Match a recording: its first mid, median spread, and over 256 ticks median gap and volatility.

    Parameters
    ----------
    ticks : ndarray of TICK
        Rows that the processor would reject are left out.

    Returns
    -------
    RandomWalk

    Raises
    ------
    NoNullMarket
        If there are fewer than nine usable rows, the mid never moves, or times or spreads are beyond what a
        simulated market can have.

    Notes
    -----
    With fewer than 2,049 usable rows the lag is shorter, so that eight returns make the volatility. The gap
    is a median, so that one wrong time does not set it, and of 256 ticks, since ticks come in bursts: most
    single gaps are far below what a tick takes on the whole.
    """
    count = sum(len(block) for block in _usable(ticks))
    if count <= LEAST_RETURNS:
        raise NoNullMarket(f"a null control needs more than {LEAST_RETURNS} usable ticks, was {count}")
    lag = min(LAG, (count - 1) // LEAST_RETURNS)
    stride = 1 + count // SPREADS
    kept, spreads, seen = [], [], 0
    for block in _usable(ticks):
        kept.append(block[-seen % lag :: lag])
        some = block[-seen % stride :: stride]
        spreads.append((some["ask"] - some["bid"]) / _mid(some))
        seen += len(block)
    sampled = np.concatenate(kept, dtype=TICK)  # blocks of a file may be laid out otherwise
    sd = realised_sd(sampled, 1) / lag**0.5
    if not sd > 0:
        raise NoNullMarket("a null control needs a mid that moves, was constant")
    first_ns = int(sampled["ts"][0])
    walk = RandomWalk(
        start_ns=first_ns,
        dt_ns=max(1, round(float(np.median(np.diff(sampled["ts"]))) / lag)),
        price=float(_mid(sampled[:1])[0]),
        sd=sd,
        spread_bps=round(float(np.median(np.concatenate(spreads))) * 1e4, 6),
    )
    try:
        walk.market(0)
    except ValueError as error:
        raise NoNullMarket(f"a null control cannot follow this recording: {error}") from error
    if (CLOCK_END_NS - first_ns) // walk.dt_ns < len(ticks):
        raise NoNullMarket(f"a null control must end by {CLOCK_END_NS} ns, was to begin at {first_ns}")
    return walk


def _mid(ticks: NDArray[np.void]) -> NDArray[np.float64]:
    mid: NDArray[np.float64] = ticks["bid"] / 2 + ticks["ask"] / 2
    return mid


def _usable(ticks: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    """Yield the rows the processor takes, a block at a time: a recording may be larger than the memory."""
    last_ns = 0
    for begin in range(0, len(ticks), BLOCK):
        block = np.asarray(ticks[begin : begin + BLOCK])
        block = block[quoted(block)]
        if len(block):
            latest = np.maximum.accumulate(np.maximum(block["ts"], last_ns))
            block = block[block["ts"] == latest]  # a time that goes back is rejected and moves nothing
            last_ns = int(latest[-1])
        if len(block):
            yield block
