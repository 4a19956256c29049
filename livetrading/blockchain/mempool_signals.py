"""Signals of the demand for block space; what they say of a price is an empirical question.

A payment has no side: an unconfirmed transaction is neither a buy nor a sell, so that there is no order flow
in the mempool in the market's sense. Fees follow attention and price more than they lead. Flows to and from
exchanges need labelled addresses, an outside list, and are not among these.
"""

from math import nan
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.domain import DomainError, float_of
from livetrading.blockchain.mempool_math import MempoolState

__all__ = ["blockspace_imbalance", "fee_ofi", "fee_pressure", "tx_momentum"]

Array = NDArray[np.float64]

HALF_LIFE_BLOCKS: Final = 72
CLIP: Final = 3.0
FAST_S: Final = 600.0
SLOW_S: Final = 21_600.0


def fee_pressure(medians: ArrayLike) -> Array:
    """How far the next block's median rate is above its own recent past.

    Parameters
    ----------
    medians : array_like of float, shape (n,)
        Median rate of the next block (`next_block_median`), one after each block, sat/vB, > 0; n at least 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        ln(median / EWMA), from -3 to 3. The EWMA has a half-life of 72 blocks, starts at the first median and
        holds the present one, so that the first value is 0.

    Raises
    ------
    DomainError
        If there is no median, or one is not finite and above 0.
    """
    values = _row("medians", medians)
    float_of(values, "medians", "finite and > 0", above=0.0)
    level = _ewma(values, np.full(len(values), 2.0 ** (-1.0 / HALF_LIFE_BLOCKS)))
    return np.asarray(np.clip(np.log(values / level), -CLIP, CLIP))


def tx_momentum(times: ArrayLike, arrivals: ArrayLike) -> Array:
    """Whether transactions come faster than of late.

    Parameters
    ----------
    times : array_like of float, shape (n + 1,)
        Ends of the n intervals, and the start of the first, s, increasing; n at least 1.
    arrivals : array_like of float, shape (n,)
        What came in each: vB or a number of transactions, >= 0.

    Returns
    -------
    ndarray of float64, shape (n,)
        ln(EWMA of arrivals a second with half-life 10 min / the same with 6 h). Both start at the rate of the
        first interval, so that the first value is 0; NaN until something has come.

    Raises
    ------
    DomainError
        If lengths do not fit, times do not increase, or a number is outside its range.
    """
    ends, counts = _row("times", times), _row("arrivals", arrivals)
    float_of(ends, "times", "finite")
    float_of(counts, "arrivals", "finite and >= 0", low=0.0)
    spans = np.diff(ends)
    if len(spans) != len(counts):
        raise DomainError(f"times must be one more than arrivals, {len(counts) + 1}, was {len(ends)}")
    if not np.all(spans > 0.0):
        at = int(np.argmin(spans > 0.0)) + 1
        raise DomainError(f"times must increase, was {ends[at]} at {at}")
    rates = counts / spans
    fast, slow = (_ewma(rates, np.exp2(-spans / half_life)) for half_life in (FAST_S, SLOW_S))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((fast > 0.0) & (slow > 0.0), np.log(fast / slow), nan)


def blockspace_imbalance(state: MempoolState) -> float:
    """Demand for block space against its supply since the state before, from -1 to 1.

    Parameters
    ----------
    state : MempoolState

    Returns
    -------
    float
        (a - m)/(a + m), a the vB that arrived at the present clearing rate or above, m the vB mined; NaN
        where both are 0. Rates are known to the bins of the histogram.
    """
    arrived, mined = state.arrivals.vbytes_from(state.clearing_rate), state.mined_vbytes
    return (arrived - mined) / (arrived + mined) if arrived + mined else nan


def fee_ofi(clearing_rates: ArrayLike, depths: ArrayLike) -> float:
    """One-sided order flow of the demand for block space, summed over an interval.

    Parameters
    ----------
    clearing_rates : array_like of float, shape (n,)
        c, sat/vB, >= 0, of consecutive states; n at least 2.
    depths : array_like of float, shape (n,)
        q, vB at the state's clearing rate or above, >= 0.

    Returns
    -------
    float
        Sum of e_n = 1[c_n >= c_{n-1}] q_n - 1[c_n <= c_{n-1}] q_{n-1}, vB: the bid side of an order book's
        flow, without an ask side, since nobody sells block space at a price.

    Raises
    ------
    DomainError
        If lengths differ, there are fewer than 2, or a number is outside its range.

    References
    ----------
    Cont, R., Kukanov, A., Stoikov, S. (2014), The price impact of order book events.
    """
    c, q = _row("clearing_rates", clearing_rates), _row("depths", depths)
    if len(c) != len(q) or len(c) < 2:
        raise DomainError(
            f"clearing_rates and depths must be of one length, at least 2, was {len(c)} and {len(q)}"
        )
    float_of(c, "clearing_rates", "finite and >= 0", low=0.0)
    float_of(q, "depths", "finite and >= 0", low=0.0)
    return float(np.sum((c[1:] >= c[:-1]) * q[1:] - (c[1:] <= c[:-1]) * q[:-1]))


def _ewma(values: Array, kept: Array) -> Array:
    """Exponentially weighted mean from the first value on; `kept` is the weight of the past at each step."""
    level, out = float(values[0]), np.empty(len(values))
    for i, value in enumerate(values.tolist()):
        level += (1.0 - float(kept[i])) * (value - level)
        out[i] = level
    return out


def _row(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise DomainError(f"{name} must be a row of at least one number, was of shape {array.shape}")
    return array
