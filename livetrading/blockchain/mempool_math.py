"""Arithmetic of the mempool: units, fee histogram, clearing rate, congestion, and the state of all of it.

Fee rates are in sat/vB, fees in satoshi, sizes in virtual bytes (vB).
"""

from dataclasses import dataclass, field
from math import nan
from typing import Any, Final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.domain import DomainError, Int64s, Integers, float_of, int_of

__all__ = [
    "BLOCK_VBYTES",
    "FEE_EDGES",
    "RELAY_MINIMUM",
    "FeeHistogram",
    "MempoolState",
    "clearing_rate",
    "congestion",
    "depth_rate",
    "fee_histogram",
    "fee_rate",
    "fullness",
    "next_block_median",
    "rate_from_rpc",
    "vbytes_of_weight",
]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

WEIGHT_PER_VBYTE: Final = 4
BLOCK_VBYTES: Final = 998_000
"""What a block offers: 4,000,000 weight less the 8,000 a node reserves for header and coinbase, over 4."""
RELAY_MINIMUM: Final = 1.0
"""sat/vB below which a node does not pass a transaction on, unless its mempool asks for more."""
LARGEST: Final = 2**53
"""Up to which a float holds every whole number."""


def _frozen(values: ArrayLike, kind: type[np.generic]) -> NDArray[Any]:
    array = np.array(values, kind)
    array.setflags(write=False)
    return array


LOW_EDGES: Final = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
HIGH_EDGES: Final = (100, 125, 150, 200, 300, 400, 500, 700, 1000, 1500, 2000, np.inf)
FEE_EDGES: Final[Array] = _frozen((*LOW_EDGES, *HIGH_EDGES), np.float64)
"""Edges of the 29 bins, sat/vB; a bin holds its lower edge."""


@overload
def vbytes_of_weight(weight: int) -> int: ...
@overload
def vbytes_of_weight(weight: Integers) -> Int64s: ...
def vbytes_of_weight(weight: int | Integers) -> int | Int64s:
    """Size in vB: weight / 4, rounded up.

    Parameters
    ----------
    weight : int or ndarray of int
        Weight units, >= 1.

    Raises
    ------
    DomainError
        If a weight is below 1.
    TypeError
        If a weight is no integer.

    References
    ----------
    Lombrozo, E., Lau, J., Wuille, P. (2015), BIP 141.
    """
    return -(-int_of(weight, "weight", 1, LARGEST) // WEIGHT_PER_VBYTE)


@overload
def fee_rate(fee: int, vbytes: int) -> float: ...
@overload
def fee_rate(fee: Integers, vbytes: Integers) -> Array: ...
def fee_rate(fee: int | Integers, vbytes: int | Integers) -> float | Array:
    """Fee rate in sat/vB.

    Parameters
    ----------
    fee : int or ndarray of int
        Satoshi, >= 0.
    vbytes : int or ndarray of int
        vB, >= 1.

    Raises
    ------
    DomainError
        If a fee is negative or a size below 1.
    TypeError
        If one is no integer.
    """
    paid = int_of(fee, "fee", 0, LARGEST)
    size = int_of(vbytes, "vbytes", 1, LARGEST)
    return paid / size


def rate_from_rpc(btc_per_kvb: float) -> float:
    """Fee rate in sat/vB from the BTC/kvB in which a node answers.

    Parameters
    ----------
    btc_per_kvb : float
        0 to 21e6; whole satoshi a kvB, whatever its last digits are.

    Raises
    ------
    DomainError
        If it is outside that range.
    """
    return round(float_of(btc_per_kvb, "btc_per_kvb", "finite and >= 0", low=0.0, high=21e6) * 1e8) / 1000


@dataclass(frozen=True, slots=True, eq=False)
class FeeHistogram:
    """Transactions by fee rate.

    Parameters
    ----------
    count, vbytes, fees : array_like of int, shape (bins,)
        Transactions, vB and satoshi in each bin, >= 0.
    edges : array_like of float, shape (bins + 1,)
        sat/vB, increasing from 0; a bin holds its lower edge, and the last edge may be infinite.

    Raises
    ------
    DomainError
        If lengths do not fit, edges do not increase, or a number is negative.
    """

    count: Counts
    vbytes: Counts
    fees: Counts
    edges: Array = field(default_factory=lambda: FEE_EDGES)

    def __post_init__(self) -> None:
        edges = _edges(self.edges)
        for name in ("count", "vbytes", "fees"):
            values = _whole(name, getattr(self, name))
            if len(values) != len(edges) - 1:
                raise DomainError(
                    f"{name} must have one number a bin, {len(edges) - 1} for {len(edges)} edges, "
                    f"was {len(values)}"
                )
            object.__setattr__(self, name, _frozen(values, np.int64))
        object.__setattr__(self, "edges", edges if edges is FEE_EDGES else _frozen(edges, np.float64))

    @property
    def total_vbytes(self) -> int:
        """Size of all of it, vB."""
        return int(self.vbytes.sum())

    def vbytes_from(self, rate: float) -> int:
        """Size of what is at `rate` or above, vB, the bin that holds `rate` counted whole: exact at an edge.

        Raises
        ------
        DomainError
            If `rate` is negative or not finite.
        """
        lowest = float_of(rate, "rate", "finite and >= 0", low=0.0)
        return int(self.vbytes[self.edges[1:] > lowest].sum())

    def depth_rate(self, depth: float) -> float:
        """Lower edge of the bin of the vbyte at a depth from the top, sat/vB; NaN where it is not that deep.

        Raises
        ------
        DomainError
            If `depth` is not finite or not above 0.
        """
        below = float_of(depth, "depth", "finite and > 0", above=0.0)
        from_top = np.cumsum(self.vbytes[::-1])
        if below > from_top[-1]:
            return nan
        return float(self.edges[-2 - int(np.searchsorted(from_top, below))])

    def clearing_rate(self, blocks: int = 1, floor: float = RELAY_MINIMUM) -> float:
        """Clearing rate after some blocks, as `clearing_rate`, to the lower edge of its bin."""
        depth, least = _depth(blocks, floor)
        found = self.depth_rate(depth)
        return max(least, found) if found >= 0.0 else least


def fee_histogram(rates: ArrayLike, vbytes: ArrayLike, fees: ArrayLike) -> FeeHistogram:
    """Histogram of transactions over `FEE_EDGES`.

    Parameters
    ----------
    rates : array_like of float, shape (n,)
        sat/vB, >= 0: of the package (`package_rates` or `mining_scores`), or the plain ones.
    vbytes, fees : array_like of int, shape (n,)
        vB, >= 1, and satoshi, >= 0.

    Raises
    ------
    DomainError
        If lengths differ or a value is outside its range.
    """
    (rate, size), fee = _transactions(rates, vbytes), _whole("fees", fees)
    if len(fee) != len(size):
        raise DomainError(f"fees must have one number a transaction, {len(size)}, was {len(fee)}")
    bins = np.searchsorted(FEE_EDGES, rate, side="right") - 1

    def in_bins(values: Counts) -> Counts:
        sums = np.zeros(len(FEE_EDGES) - 1, np.int64)
        np.add.at(sums, bins, values)
        return sums

    return FeeHistogram(in_bins(np.ones_like(size)), in_bins(size), in_bins(fee))


def depth_rate(rates: ArrayLike, vbytes: ArrayLike, depth: float) -> float:
    """Rate of the vbyte at a depth, packages taken from the top.

    Parameters
    ----------
    rates : array_like of float, shape (n,)
        sat/vB, >= 0.
    vbytes : array_like of int, shape (n,)
        vB, >= 1.
    depth : float
        vB, > 0.

    Returns
    -------
    float
        sat/vB; NaN where there are not so many vB.

    Raises
    ------
    DomainError
        If lengths differ or a value is outside its range.
    """
    below = float_of(depth, "depth", "finite and > 0", above=0.0)
    rate, size = _transactions(rates, vbytes)
    if below > size.sum():
        return nan
    order = np.argsort(-rate, kind="stable")
    from_top = np.cumsum(size[order])
    return float(rate[order[np.searchsorted(from_top, below)]])


def clearing_rate(
    rates: ArrayLike, vbytes: ArrayLike, blocks: int = 1, floor: float = RELAY_MINIMUM
) -> float:
    """Rate at which the space of the next blocks sells out.

    Parameters
    ----------
    rates, vbytes
        As in `depth_rate`.
    blocks : int
        j >= 1.
    floor : float
        sat/vB that the mempool asks for at least (``mempoolminfee``), >= 0.

    Returns
    -------
    float
        sat/vB of the last vbyte when packages are taken from the top until j times `BLOCK_VBYTES`; the floor
        where the backlog is smaller.

    Raises
    ------
    DomainError
        If lengths differ or a value is outside its range.
    """
    depth, least = _depth(blocks, floor)
    found = depth_rate(rates, vbytes, depth)
    return max(least, found) if found >= 0.0 else least


def next_block_median(histogram: FeeHistogram, floor: float = RELAY_MINIMUM) -> float:
    """Rate of the middle vbyte of the next block, sat/vB, to the lower edge of its bin.

    Half of what the block will hold pays as much or more; the floor where the mempool is empty.

    Raises
    ------
    DomainError
        If `floor` is negative or not finite.
    """
    _, least = _depth(1, floor)
    held = min(histogram.total_vbytes, BLOCK_VBYTES)
    return max(least, histogram.depth_rate(held / 2)) if held else least


def congestion(vbytes: float) -> float:
    """Blocks that a backlog fills: vB over `BLOCK_VBYTES`.

    Raises
    ------
    DomainError
        If `vbytes` is negative or not finite.
    """
    return float_of(vbytes, "vbytes", "finite and >= 0", low=0.0) / BLOCK_VBYTES


def fullness(usage: float, maximum: float) -> float:
    """Share of the memory a node allows its mempool, 0 to 1.

    Parameters
    ----------
    usage, maximum : float
        Bytes, >= 0 and > 0: ``usage`` and ``maxmempool`` of ``getmempoolinfo``.

    Raises
    ------
    DomainError
        If one is outside its range.
    """
    most = float_of(maximum, "maximum", "finite and > 0", above=0.0)
    return min(1.0, float_of(usage, "usage", "finite and >= 0", low=0.0) / most)


@dataclass(frozen=True, slots=True, eq=False)
class MempoolState:
    """The mempool at a moment, and what has happened since the state before it.

    Attributes
    ----------
    time : float
        s since the Unix epoch.
    height : int
        Of the last block.
    tx_count : int
        Transactions that wait.
    vbytes : int
        Their size, vB.
    histogram : FeeHistogram
        Of them.
    min_rate, median_rate : float
        Smallest and median fee rate of them, sat/vB; NaN where none waits.
    floor : float
        Rate below which the mempool takes nothing, sat/vB.
    fullness : float
        Share of the memory allowed, 0 to 1.
    interval_s : float
        Time since the state before, s.
    arrivals : FeeHistogram
        What came in that time and was taken.
    mined_vbytes, evicted_vbytes : int
        What left in that time, vB, into blocks and for want of memory.
    blocks : int
        Blocks in that time.
    refused : int
        Transactions below the floor in that time.
    notes : tuple of str
        Where the state comes from, and what it must not be taken for.
    """

    time: float
    height: int
    tx_count: int
    vbytes: int
    histogram: FeeHistogram
    min_rate: float
    median_rate: float
    floor: float
    fullness: float
    interval_s: float
    arrivals: FeeHistogram
    mined_vbytes: int
    evicted_vbytes: int
    blocks: int
    refused: int
    notes: tuple[str, ...]

    @property
    def clearing_rate(self) -> float:
        """Clearing rate of the next block, sat/vB, to the lower edge of its bin."""
        return self.histogram.clearing_rate(1, self.floor)

    @property
    def congestion(self) -> float:
        """Blocks that the backlog fills."""
        return congestion(self.vbytes)


def _depth(blocks: int, floor: float) -> tuple[int, float]:
    least = float_of(floor, "floor", "finite and >= 0", low=0.0)
    return int_of(blocks, "blocks", 1, 2**31) * BLOCK_VBYTES, least


def _transactions(rates: ArrayLike, vbytes: ArrayLike) -> tuple[Array, Counts]:
    rate, size = np.asarray(rates, np.float64), _whole("vbytes", vbytes, 1)
    if rate.shape != size.shape:
        raise DomainError(f"rates and vbytes must be rows of equal length, was {rate.shape} and {size.shape}")
    bad = np.flatnonzero(~(np.isfinite(rate) & (rate >= 0.0)))
    if len(bad):
        raise DomainError(f"rates must be finite and >= 0, was {rate[bad[0]]}")
    return rate, size


def _whole(name: str, values: ArrayLike, least: int = 0) -> Counts:
    array = np.asarray(values)
    if array.ndim != 1:
        raise DomainError(f"{name} must be a row, was of shape {array.shape}")
    if array.size == 0:
        return np.zeros(0, np.int64)
    return int_of(array, name, least, LARGEST)


def _edges(values: ArrayLike) -> Array:
    edges = np.asarray(values, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0.0 or not np.all(np.diff(edges) > 0.0):
        shown = ", ".join(f"{edge:g}" for edge in edges.ravel()[:6])
        raise DomainError(f"edges must be two or more, increasing from 0, was {shown or 'none'}")
    return edges
