"""What the learned formulas look at and are told: features of trades, labels, how often they were right."""

from collections import deque
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.features import running_scores, trade_features

__all__ = ["FIRST", "HitRate", "features", "labels", "up_down", "z_scores"]

Floats = NDArray[np.float64]
FIRST: Final = 20
"""The observation, counted from 0, that is the first with features."""


def features(price: Floats, volume: Floats, side: Floats) -> Floats:
    r"""Return the eight features of every trade.

    With log returns r and s_k their population sd over the last k: r; ln(p_t/p_{t-5}); ln(p_t/p_{t-20});
    ln(s_5/s_20), 0 where either is 0; s_20; the z-score of the price among the last 20, 0 where their sd is
    0; ln(1 + v) less its mean over the last 20; the volume of the last 20 with its side over that without,
    0 where there is none.

    Parameters
    ----------
    price : ndarray of float64, shape (n,)
        USD per BTC, finite and above 0.
    volume : ndarray of float64, shape (n,)
        BTC, finite and not below 0.
    side : ndarray of float64, shape (n,)
        1 a buyer's, -1 a seller's, 0 or not finite unknown.

    Returns
    -------
    ndarray of float64, shape (n, 8)
        NaN in the first 20 rows. A row depends on itself and the 20 before it.

    Raises
    ------
    ValueError
        If the arrays differ in length, or a trade is not valid.
    """
    whole = (np.ascontiguousarray(column, np.float64) for column in (price, volume, side))
    return trade_features(*whole)


def z_scores(x: Floats) -> Floats:
    """Return features standardised as they come: by mean and sd of the rows so far, within +-5.

    Parameters
    ----------
    x : ndarray of float64, shape (n, 8)
        As `features` returns them.

    Returns
    -------
    ndarray of float64, shape (n, 8)
        NaN in leading rows of NaN; 0 where the sd so far is 0.

    References
    ----------
    Welford (1962), Technometrics 4.
    """
    x = np.ascontiguousarray(x, np.float64)
    z = np.full(x.shape, nan)
    first = int(np.argmin(np.isnan(x).any(axis=1))) if len(x) else 0
    if len(x) and not np.isnan(x[first]).any():
        z[first:] = running_scores(x[first:])
    return z


def labels(price: Floats, h: int) -> Floats:
    """Return whether the price is higher `h` observations later.

    Parameters
    ----------
    price : ndarray of float64, shape (n,)
    h : int
        At least 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        1 higher, 0 lower, NaN where it is the same or not known yet.
    """
    y = np.full(len(price), nan)
    if len(price) > h:
        now, later = price[:-h], price[h:]
        y[: len(now)] = np.where(later > now, 1.0, np.where(later < now, 0.0, nan))
    return y


def up_down(p_up: float, theta: float) -> tuple[int, float]:
    """Return the signal of a probability of a rise, past `theta` from one half, and |2 p - 1|."""
    signal = 1 if p_up > 0.5 + theta else -1 if p_up < 0.5 - theta else 0
    return signal, abs(2.0 * p_up - 1.0)


class HitRate:
    """Share of right directions among the last resolved predictions.

    A prediction made at an observation resolves `h` observations later by the price then; one of no
    direction is never right, and where the price is the same nothing resolves.

    Parameters
    ----------
    h : int
        At least 1.
    size : int
        How many of the last resolved count.
    least : int
        Fewer than this are no share.
    """

    def __init__(self, h: int, size: int = 200, least: int = 50) -> None:
        self.least = least
        self._open: deque[tuple[float, float]] = deque(maxlen=h)
        self._right: deque[bool] = deque(maxlen=size)
        self._h = h

    def resolve(self, price: float) -> None:
        """Take the price of an observation, before the prediction made there."""
        if len(self._open) == self._h:
            before, direction = self._open[0]
            if direction == direction and price != before:
                self._right.append(direction > 0.0 if price > before else direction < 0.0)

    def predict(self, price: float, direction: float = nan) -> None:
        """Note what was predicted at an observation: above 0 a rise, below a fall; NaN where nothing was.

        Every observation has to be noted once, after `resolve`.
        """
        self._open.append((price, direction))

    @property
    def value(self) -> float:
        """0 to 1, NaN before `least` have resolved."""
        return sum(self._right) / len(self._right) if len(self._right) >= self.least else nan
