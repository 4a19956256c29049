"""Filters of a window of log prices: Baxter-King, Hodrick-Prescott, Christiano-Fitzgerald (51-53)."""

from collections.abc import Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import faded
from livetrading.formulas.timeseries.windows import (
    Recent,
    dollars,
)

__all__ = [
    "BandpassFilter",
    "ChristianFitzgerald",
    "HodrickPrescott",
    "baxter_king",
    "christiano_fitzgerald",
    "hodrick_prescott",
]

Floats = NDArray[np.float64]


def ideal_band(low: float, high: float, n: int) -> Floats:
    """Return the weights B_0 to B_n of the ideal filter that passes periods from `low` to `high`."""
    fast, slow = 2.0 * pi / low, 2.0 * pi / high
    j = np.arange(1, n + 1)
    return np.concatenate([[(fast - slow) / pi], (np.sin(j * fast) - np.sin(j * slow)) / (pi * j)])


def baxter_king(low: float, high: float, K: int) -> Floats:
    """Return the 2K + 1 weights of the band-pass filter, which sum to 0.

    References
    ----------
    Baxter and King (1999), Review of Economics and Statistics 81.
    """
    half = ideal_band(low, high, K)
    both = np.concatenate([half[:0:-1], half])
    weights: Floats = both - np.mean(both)
    return weights


def hodrick_prescott(n: int, lamb: float) -> Floats:
    """Return the weights of the trend's last point, the last row of (I + lamb D'D)^-1.

    That row is what a Kalman filter makes of a trend whose second differences have the variance 1 / lamb
    under noise of variance 1; its gains keep their digits where the matrix, with a large lamb, loses them.

    References
    ----------
    Hodrick and Prescott (1997), J. Money, Credit and Banking 29; Harvey and Jaeger (1993), J. Applied
    Econometrics 8.
    """
    weights = np.zeros(n)
    weights[-1] = 1.0
    if lamb < 1e-300:  # its inverse is no number, and the trend the series
        return weights
    # covariance of the trend now and one before, from the first two observations
    now, both, before = 1.0, 0.0, 1.0
    gain = np.empty((n, 2))
    for t in range(2, n):
        predicted, lag = 4.0 * (now - both) + before + 1.0 / lamb, 2.0 * now - both
        rest = 1.0 / (predicted + 1.0)
        gain[t] = predicted * rest, lag * rest
        now, both, before = predicted * rest, lag * rest, now - lag * lag * rest
    # the last trend in terms of the trend of t and of t - 1, from the end back
    level, older = 1.0, 0.0
    for t in range(n - 1, 1, -1):
        weights[t] = level * gain[t, 0] + older * gain[t, 1]
        level, older = 2.0 * (level - weights[t]) + older, -(level - weights[t])
    weights[1], weights[0] = level, older
    return weights


def christiano_fitzgerald(n: int, low: float, high: float) -> Floats:
    """Return the weights of the cycle's last point, oldest first, for a series without its drift.

    References
    ----------
    Christiano and Fitzgerald (2003), International Economic Review 44.
    """
    B = ideal_band(low, high, n - 1)
    weights = np.zeros(n)
    weights[-1] = 0.5 * B[0]
    weights[1:-1] = B[n - 2 : 0 : -1]
    weights[0] = -np.sum(weights[1:])
    return weights


class _Cyclical(SeriesFormula):
    """A cycle by one dot product, and its score over its own past."""

    n = Whole(200, "log prices in the window", low=4, high=3000)

    _weights: Floats

    def _fixed(self) -> Sequence[str]:
        return ("_weights",)

    def _begin(self) -> None:
        self._cycles = Recent(self.n)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z",)

    @property
    def lookback(self) -> int:
        return len(self._weights)

    @property
    def warm_up(self) -> int:
        return len(self._weights)

    def _cycle(self, x: Floats) -> float:
        raise NotImplementedError

    def _scored(self, s: Series, entry: float) -> tuple[float, float, int, float] | None:
        """Cycle, score, signal, confidence."""
        if s.count < len(self._weights):
            return None
        x = s.last("log_price", len(self._weights))
        flat = bool(np.all(x == x[0]))
        c = 0.0 if flat else self._cycle(x)
        self._cycles.push(c)
        z = 0.0 if flat else self._cycles.score()
        return c, z, faded(z, entry), min(1.0, abs(z) / 3.0)


def check_band(low: float, high: float) -> None:
    """Refuse a band without width.

    Raises
    ------
    FormulaError
        If `low` is not below `high`.
    """
    if not low < high:
        raise FormulaError(f"low must be below high, was {low} with high {high}")


@register(
    id=51,
    name="BandpassFilter",
    category="timeseries",
    inputs=("trade",),
    cost="W",
    unit="log price",
    reference="Baxter and King (1999), Review of Economics and Statistics 81",
)
class BandpassFilter(_Cyclical):
    """Baxter-King cycle of the log price, periods from low to high, as of K observations ago.

    The ideal filter cut at K on both sides, its mean taken off so that a level gives nothing; what comes out
    is known K observations late, by design. Against the sign of z, the cycle over the sd of its last n
    values (50 at least), where |z| >= entry; confidence |z| / 3, at most 1. Outputs: z.

    References
    ----------
    Baxter and King (1999), Review of Economics and Statistics 81.
    """

    low = Real(6.0, "shortest period, observations", low=2.0)
    high = Real(32.0, "longest period, observations", low=2.0)
    K = Whole(12, "observations on either side", high=1000)
    n = Whole(200, "cycles over which the sd is taken", low=50, high=100_000)
    entry = Real(1.0, "score at which the cycle is faded", low=0.0)

    def _prepare(self) -> None:
        check_band(self.low, self.high)
        self._weights = baxter_king(self.low, self.high, self.K)

    def _cycle(self, x: Floats) -> float:
        return float(self._weights @ (x - x[self.K]))

    def _advance(self, s: Series) -> None:
        found = self._scored(s, self.entry)
        if found is not None:
            c, z, signal, confidence = found
            self._report(c, signal, confidence, z=z)


@register(
    id=52,
    name="HodrickPrescott",
    category="timeseries",
    inputs=("trade",),
    cost="W",
    unit="USD",
    low=0.0,
    reference="Hodrick and Prescott (1997), J. Money, Credit and Banking 29; "
    "Stock and Watson (1999), J. Monetary "
    "Economics 44 (one-sided use)",
)
class HodrickPrescott(_Cyclical):
    """Last point of the Hodrick-Prescott trend of the last n log prices, as a price.

    exp(w'x), w the last row of (I + lamb D'D)^-1, D the second differences: one dot product, no later data.
    Against the sign of z, the cycle ln p - w'x over the sd of its last n values (50 at least), where
    |z| >= entry; confidence |z| / 3, at most 1. Outputs: cycle, z.

    References
    ----------
    Hodrick and Prescott (1997), J. Money, Credit and Banking 29; Stock and Watson (1999), J. Monetary
    Economics 44 (one-sided use).
    """

    lamb = Real(1600.0, "penalty of the trend's second differences", low=0.0, high=1e9)
    entry = Real(1.5, "score at which the cycle is faded", low=0.0)

    def _prepare(self) -> None:
        self._weights = hodrick_prescott(self.n, self.lamb)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("cycle", "z")

    def _cycle(self, x: Floats) -> float:
        return -float(self._weights @ (x - x[-1]))

    def _advance(self, s: Series) -> None:
        found = self._scored(s, self.entry)
        if found is not None:
            c, z, signal, confidence = found
            trend = dollars(float(s.last("log_price", 1)[0]) - c) if c else float(s.last("price", 1)[0])
            self._report(trend, signal, confidence, cycle=c, z=z)


@register(
    id=53,
    name="ChristianFitzgerald",
    category="timeseries",
    inputs=("trade",),
    cost="W",
    unit="log price",
    reference="Christiano and Fitzgerald (2003), International Economic Review 44",
)
class ChristianFitzgerald(_Cyclical):
    """Last point of the asymmetric Christiano-Fitzgerald cycle of the last n log prices, drift taken out.

    The ideal filter for periods from low to high as a random walk lets it be approximated at the end of the
    sample: no delay, at the price of phase error. Against the sign of z, the cycle over the sd of its last n
    values (50 at least), where |z| >= entry; confidence |z| / 3, at most 1. Outputs: z.

    References
    ----------
    Christiano and Fitzgerald (2003), International Economic Review 44.
    """

    low = Real(6.0, "shortest period, observations", low=2.0)
    high = Real(32.0, "longest period, observations", low=2.0)
    entry = Real(1.5, "score at which the cycle is faded", low=0.0)

    def _prepare(self) -> None:
        check_band(self.low, self.high)
        self._weights = christiano_fitzgerald(self.n, self.low, self.high)

    def _cycle(self, x: Floats) -> float:
        drift = (x[-1] - x[0]) / (self.n - 1)
        return float(self._weights @ (x - x[0] - drift * np.arange(self.n)))

    def _advance(self, s: Series) -> None:
        found = self._scored(s, self.entry)
        if found is not None:
            c, z, signal, confidence = found
            self._report(c, signal, confidence, z=z)
