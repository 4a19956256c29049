"""The simulated chain: when blocks come, how difficulty follows them, and the TRUE PRICE at each."""

from collections.abc import Callable, Iterator
from operator import index
from typing import Final, Literal, get_args

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from livetrading.blockchain.mathematical_price import true_price
from livetrading.blockchain.protocol import (
    BLOCK_INTERVAL_S,
    BLOCKS_PER_HALVING,
    BLOCKS_PER_RETARGET,
    SAT_PER_BTC,
    DomainError,
    difficulty,
    hashrate_from_difficulty,
    issued,
    retarget,
)
from livetrading.core.dtypes import KNOT
from livetrading.core.variates import exp, log

__all__ = [
    "MAX_SPAN_NS",
    "REFERENCE_BITS",
    "REFERENCE_HEIGHT",
    "REFERENCE_TIME",
    "ChainClock",
    "Mode",
    "smoothed_true_price",
]

REFERENCE_HEIGHT: Final = 925_810
REFERENCE_TIME: Final = 1_764_478_080
"""2025-11-30 04:48:00 UTC, in s since the Unix epoch."""
REFERENCE_BITS: Final = 0x1701E2A0
"""Compact target of the epoch of `REFERENCE_HEIGHT`: difficulty 149,301,205,959,699.9."""

NS_PER_S: Final = 1_000_000_000
YEAR_S: Final = 365 * 86_400
MAX_SPAN_NS: Final = YEAR_S * NS_PER_S
"""How far beyond the last knot one call may reach: at the default growth that is some 53,000 blocks."""
ARRIVALS: Final = 3
"""The generator's stream of block arrivals."""

Mode = Literal["poisson", "schedule"]
Interval = Callable[[float, int], int]
"""Seconds to the next block, from the difficulty it has to meet and the time of the last."""


class ChainClock:
    """A chain that goes on from the reference point, block by block, and the TRUE PRICE at each.

    Parameters
    ----------
    seed : int
        From 0 to 2^64 - 1. Equal seeds give equal bits on every machine.
    mode : {"poisson", "schedule"}
        "poisson": exponential intervals of mean 600 s * D / D_eq, with D the difficulty and D_eq the one at
        which blocks would come every 600 s; "schedule": a block every 600 s exactly.
    growth : float
        Growth of the hash rate in 365 days, a fraction from -0.9 to 9. Without effect on "schedule".
    smooth_halving : bool
        Blend a halving's jump of the price over 2016 blocks, as `smoothed_true_price` does.

    Attributes
    ----------
    start_ns : int
        Time of the first block, ns since the Unix epoch.

    Raises
    ------
    DomainError
        If an argument is outside its range.
    TypeError
        If `seed` is no integer.

    Notes
    -----
    The chain starts with block 925,810 at 1764478080 s and the difficulty of its epoch, D0. The hash rate
    starts at D0 * 2^32 / 600, so that D_eq starts at D0, and the part of the epoch that lies before the start
    is taken to have come at 600 s a block. Retargets use the simulated times.

    The price takes its hash rate from the difficulty and so is, but for the slow change of days and supply,
    constant from one retarget to the next; it starts at 95,794.65 USD. (With the 1,081.88 EH/s observed over
    the three days before, it would be 96,972.46; but a hash rate estimated from arrivals moves with every
    block.)

    References
    ----------
    Nakamoto, S. (2008), Bitcoin: A Peer-to-Peer Electronic Cash System, section 4.
    Salmon, J. K., Moraes, M. A., Dror, R. O., Shaw, D. E. (2011), Parallel random numbers: as easy as
    1, 2, 3.
    """

    def __init__(
        self, seed: int, mode: Mode = "poisson", *, growth: float = 0.40, smooth_halving: bool = False
    ) -> None:
        if not 0 <= index(seed) < 1 << 64:
            raise DomainError(f"seed must be from 0 to 2^64 - 1, was {seed}")
        if mode not in get_args(Mode):
            raise DomainError(f"mode must be one of {', '.join(get_args(Mode))}, was {mode!r}")
        if not -0.9 <= growth <= 9.0:
            raise DomainError(f"growth must be from -0.9 to 9, was {growth!r}")
        interval = _schedule if mode == "schedule" else _poisson(seed, growth)
        self.start_ns: Final = REFERENCE_TIME * NS_PER_S
        self._blocks = _blocks(interval, smooth_halving)
        self._last_ns = 0

    def knots(self, until_ns: int) -> NDArray[np.void]:
        """Knots that follow those handed out before, up to and including the first later than `until_ns`.

        Parameters
        ----------
        until_ns : int
            Time that the knots have to cover, ns since the Unix epoch, at most `MAX_SPAN_NS` after the last
            knot (before the first call: after `start_ns`).

        Returns
        -------
        ndarray of KNOT, shape (n,)
            Time of the block, its height, and TRUE PRICE from it on (NaN where there is no subsidy). Times
            increase strictly. The first call starts with the block at `start_ns`; no knot comes twice, and
            none comes where those handed out already reach beyond `until_ns`.

        Raises
        ------
        DomainError
            If `until_ns` is too far ahead; the clock stays as it was.
        """
        ahead = until_ns - max(self._last_ns, self.start_ns)
        if ahead > MAX_SPAN_NS:
            raise DomainError(
                f"until_ns must be at most {MAX_SPAN_NS} ns after the last knot, was {ahead} after it"
            )
        rows = []
        while self._last_ns <= until_ns:
            rows.append(next(self._blocks))
            self._last_ns = rows[-1][0]
        return np.array(rows, dtype=KNOT)


def smoothed_true_price(height: int, hash_rate: float, time: float) -> float:
    """TRUE PRICE whose jump at a halving is spread over the 2016 blocks from it on.

    Parameters
    ----------
    height, hash_rate, time
        As in `true_price`.

    Returns
    -------
    float
        USD/BTC. In the blocks n = 1 to 2016 of a halving epoch (1 - n/2016) times the price as if the coins
        had not been halved, plus n/2016 times TRUE PRICE; elsewhere TRUE PRICE.

    Raises
    ------
    DomainError, TypeError
        As `true_price`.
    """
    price = true_price(height, hash_rate, time).price_usd
    since = height % BLOCKS_PER_HALVING
    if height < BLOCKS_PER_HALVING or since >= BLOCKS_PER_RETARGET:
        return price
    supply = issued(height - 1) / SAT_PER_BTC
    unhalved = true_price(height - since - 1, hash_rate, time, supply_btc=supply).price_usd
    weight = (since + 1) / BLOCKS_PER_RETARGET
    return (1.0 - weight) * unhalved + weight * price


def _schedule(difficulty: float, time: int) -> int:
    return BLOCK_INTERVAL_S


def _poisson(seed: int, growth: float) -> Interval:
    words = Philox(key=np.array([seed, ARRIVALS], dtype=np.uint64))
    growth_log = log(1.0 + growth)
    start = difficulty(REFERENCE_BITS)

    def interval(difficulty: float, time: int) -> int:
        uniform = ((words.random_raw() >> 12) + 0.5) * 2.0**-52  # exact, and never 0 or 1
        equilibrium = start * exp(growth_log * ((time - REFERENCE_TIME) / YEAR_S))
        seconds = -BLOCK_INTERVAL_S * difficulty / equilibrium * log(uniform)
        # Headers carry whole seconds. One second at least keeps the times in strict order; it lengthens the
        # mean interval by 1.4e-6 of itself.
        return max(1, round(seconds))

    return interval


def _blocks(interval: Interval, smooth_halving: bool) -> Iterator[tuple[int, int, float]]:
    """Time in ns, height and price of every block from the reference point on."""
    height, time, bits = REFERENCE_HEIGHT, REFERENCE_TIME, REFERENCE_BITS
    epoch_time = time - height % BLOCKS_PER_RETARGET * BLOCK_INTERVAL_S
    current = difficulty(bits)
    while True:
        hash_rate = hashrate_from_difficulty(current)
        if smooth_halving:
            price = smoothed_true_price(height, hash_rate, time)
        else:
            price = true_price(height, hash_rate, time).price_usd
        yield time * NS_PER_S, height, price
        height += 1
        opens_epoch = height % BLOCKS_PER_RETARGET == 0
        if opens_epoch:
            bits = retarget(epoch_time, time, bits)
            current = difficulty(bits)
        time += interval(current, time)
        if opens_epoch:
            epoch_time = time
