"""Null markets: those that a run is on by name, and the control that stands beside a run."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import MarketConfig
from livetrading.core.dtypes import TICK
from livetrading.core.errors import LivetradingError
from livetrading.core.market import (
    BootstrapMarket,
    ChaosMarket,
    GarchMarket,
    GbmMarket,
    HawkesMarket,
    NullMarket,
    realised_sd,
)
from livetrading.core.variates import log_return
from livetrading.data.errors import DataError
from livetrading.data.returns import read_returns
from livetrading.data.ticks import quoted

__all__ = [
    "HEAD",
    "NoNullMarket",
    "NullLaw",
    "chaos_market",
    "like_recording",
    "named_law",
    "walk_like",
    "walk_like_chaos",
]

LAG: Final = 256
"""Ticks over which volatilities are matched (chain.md, 7.2)."""
HEAD: Final = 1 << 20
"""First ticks of a market that its control is matched to."""
BLOCK: Final = 1 << 16
LEAST_RETURNS: Final = 8
NS_PER_S: Final = 1_000_000_000
CLOCK_END_NS: Final = 1 << 62
"""Where the clock of a simulated market ends, in the year 2116."""


class NoNullMarket(LivetradingError, ValueError):
    """No null market can be matched to a recording: it is too short, never moves, or is out of all bounds."""


@dataclass(frozen=True)
class NullLaw:
    """What defines a null market besides its seed.

    Attributes
    ----------
    name : {"gbm", "garch-t", "bootstrap", "hawkes"}
    start_ns, dt_ns : int
        Time of the first tick since the Unix epoch, and between ticks.
    price : float
        Price before the first tick, in USD.
    sd : float or None
        Standard deviation of the log return of one tick; `hawkes` has its own.
    spread_bps : float
    returns : ndarray of float64, shape (n,), or None
        Log returns that `bootstrap` draws from; it scales them to `sd`.
    """

    name: str
    start_ns: int
    dt_ns: int
    price: float
    sd: float | None
    spread_bps: float
    returns: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    def market(self, seed: int) -> NullMarket:
        """Make the market."""
        at, spread = (seed, self.start_ns, self.dt_ns, self.price), self.spread_bps
        if self.name == "hawkes":
            return HawkesMarket(*at, spread_bps=spread)
        if self.sd is None:
            raise ValueError(f"sd must be given for {self.name}, was None")
        if self.name == "garch-t":
            return GarchMarket(*at, self.sd, spread_bps=spread)
        if self.returns is not None:
            return BootstrapMarket(*at, self.returns, self.sd, spread_bps=spread)
        return GbmMarket(*at, self.sd, spread_bps=spread)

    def described(self) -> dict[str, Any]:
        """Return what differs from the configured market in the report of a control."""
        return {
            "name": self.name,
            "dt_s": self.dt_ns / NS_PER_S,
            "spread_bps": self.spread_bps,
            "columns": {},
            "returns": None,
        }


def chaos_market(market: MarketConfig) -> tuple[ChaosMarket, ChainClock]:
    """Make the chaos market of a configuration, and the chain whose knots it has to be fed."""
    chain = ChainClock(market.seed)
    dt_ns = round(market.dt_s * NS_PER_S)
    return ChaosMarket(market.seed, chain.start_ns, dt_ns, spread_bps=market.spread_bps), chain


def named_law(market: MarketConfig) -> NullLaw:
    """Return the law of the null market that a configuration names.

    It starts at the chain's true price, at the chain's start, and has the volatility that the chaos market of
    the same seed has over 256 ticks, taken of its first 2**20; `hawkes` has its own.

    Parameters
    ----------
    market : MarketConfig
        Of the name ``gbm``, ``garch-t``, ``bootstrap`` or ``hawkes``.

    Returns
    -------
    NullLaw

    Raises
    ------
    DataError
        If the returns of `bootstrap` cannot be read or drawn from.
    """
    if market.name == "hawkes":
        chain = ChainClock(market.seed)
        price = float(chain.knots(chain.start_ns)["true_price"][0])
        dt_ns = round(market.dt_s * NS_PER_S)
        return NullLaw("hawkes", chain.start_ns, dt_ns, price, None, market.spread_bps)
    returns = None if market.returns is None else read_returns(Path(market.returns))
    law = replace(walk_like_chaos(market), name=market.name, returns=returns)
    try:
        law.market(market.seed)
    except ValueError as error:
        raise DataError(f"{market.returns}: {error}") from error
    return law


def walk_like_chaos(market: MarketConfig) -> NullLaw:
    """Match a random walk to the chaos market of the same seed, over its first 2**20 ticks.

    Returns
    -------
    NullLaw
        It starts at the chain's true price, at the chain's start.
    """
    chaos, chain = chaos_market(market)
    price = float(chain.knots(chain.start_ns)["true_price"][0])
    sd = _head_sd(chaos, ChainClock(market.seed))
    return NullLaw("gbm", chaos.start_ns, chaos.dt_ns, price, sd, market.spread_bps)


def walk_like(law: NullLaw, seed: int) -> NullLaw:
    """Match a random walk to a null market, over its first 2**20 ticks.

    Returns
    -------
    NullLaw
    """
    return replace(law, name="gbm", returns=None, sd=_head_sd(law.market(seed)))


def _head_sd(market: ChaosMarket | NullMarket, chain: ChainClock | None = None) -> float:
    """Return the standard deviation of a tick, realised over 256, of the first 2**20 ticks of a market."""
    block = np.empty(BLOCK, TICK)
    kept = np.empty(HEAD // LAG, TICK)  # the returns need no tick between
    for begin in range(0, HEAD, BLOCK):
        if chain is not None:
            market.feed(chain.knots(market.next_ts + (BLOCK - 1) * market.dt_ns))
        market.fill(block)
        kept[begin // LAG : (begin + BLOCK) // LAG] = block[::LAG]
    sd: float = realised_sd(kept, 1) / LAG**0.5
    return sd


def like_recording(head: NDArray[np.void]) -> NullLaw:
    """Make a bootstrap of a recording: its returns, row by row, in blocks and with fair signs.

    First mid and median spread are the recording's, as are over 256 ticks the median gap and the volatility.

    Parameters
    ----------
    head : ndarray of TICK, shape (n,)
        The recording's first rows, 2**20 of them where there are as many. Rows that the processor would
        reject are left out.

    Returns
    -------
    NullLaw

    Raises
    ------
    NoNullMarket
        If there are fewer than nine usable rows, the mid never moves, or times, spreads or moves are beyond
        what a simulated market can have.

    Notes
    -----
    With fewer than 2,049 usable rows the lag is shorter, so that eight returns make the volatility. The gap
    is a median, so that one wrong time does not set it, and of 256 ticks, since ticks come in bursts: most
    single gaps are far below what a tick takes on the whole.
    """
    rows = _usable(head)
    if len(rows) <= LEAST_RETURNS:
        raise NoNullMarket(f"a null control needs more than {LEAST_RETURNS} usable ticks, was {len(rows)}")
    lag = min(LAG, (len(rows) - 1) // LEAST_RETURNS)
    sampled, mid = rows[::lag], _mid(rows)
    sd = realised_sd(sampled, 1) / lag**0.5
    if not sd > 0:
        raise NoNullMarket("a null control needs a mid that moves, was constant")
    first_ns = int(sampled["ts"][0])
    law = NullLaw(
        name="bootstrap",
        start_ns=first_ns,
        dt_ns=max(1, round(float(np.median(np.diff(sampled["ts"]))) / lag)),
        price=float(mid[0]),
        sd=sd,
        spread_bps=round(float(np.median((rows["ask"] - rows["bid"]) / mid)) * 1e4, 6),
        returns=log_return(mid),
    )
    try:
        law.market(0)
    except ValueError as error:
        raise NoNullMarket(f"a null control cannot follow this recording: {error}") from error
    if (CLOCK_END_NS - first_ns) // law.dt_ns < len(head):
        raise NoNullMarket(f"a null control must end by {CLOCK_END_NS} ns, was to begin at {first_ns}")
    return law


def _mid(ticks: NDArray[np.void]) -> NDArray[np.float64]:
    mid: NDArray[np.float64] = ticks["bid"] / 2 + ticks["ask"] / 2
    return mid


def _usable(ticks: NDArray[np.void]) -> NDArray[np.void]:
    """Return the rows the processor takes."""
    rows = np.asarray(ticks).astype(TICK, copy=False)  # those of a file may be laid out otherwise
    rows = rows[quoted(rows)]
    if len(rows):
        rows = rows[rows["ts"] == np.maximum.accumulate(rows["ts"])]  # a time that goes back is rejected
    return rows
