"""Moments of the returns in a window, plain, trimmed, winsorised and robust."""

from math import exp, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.statistics import student_two_sided
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, clip01, flat, sign, whole, within
from livetrading.formulas.statistical.windows import (
    WindowFormula,
)

Floats = NDArray[np.float64]
QUARTILE: Final = 0.67448975019608174320
"""Phi^-1(3/4)."""


def winsorised(ordered: Floats, g: int) -> Floats:
    """Return ascending values with the g at either end set to the nearest that is left."""
    kept = ordered.copy()
    if g:
        kept[:g], kept[-g:] = ordered[g], ordered[-g - 1]
    return kept


def k_statistics(x: Floats) -> tuple[float, float, float, float]:
    """Return the unbiased estimates of the first four cumulants, Fisher's k-statistics.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
        At least 4 values.

    References
    ----------
    Kendall and Stuart (1977), The Advanced Theory of Statistics 1, ch. 12.
    """
    n = len(x)
    mean = float(np.mean(x))
    d = x - mean
    s2, s3, s4 = (float(np.sum(d**j)) for j in (2, 3, 4))
    k3 = n * s3 / ((n - 1) * (n - 2))
    k4 = n * ((n + 1) * s4 - 3.0 * (n - 1) / n * s2 * s2) / ((n - 1) * (n - 2) * (n - 3))
    return mean, s2 / (n - 1), k3, k4


def variance_gamma(x: Floats) -> tuple[float, float, float]:
    """Return kappa, theta and c of the variance-gamma law with the first moments of values.

    For a small asymmetry kappa = k4 / (3 k2^2), theta = k3 / (3 k2 kappa), c = k1 - theta, of k-statistics;
    kappa and theta are 0 where k4 <= 0, for no such law has thin tails.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)

    References
    ----------
    Seneta (2004), J. Applied Probability 41A.
    """
    k1, k2, k3, k4 = k_statistics(x)
    kappa = k4 / (3.0 * k2 * k2) if k4 > 0.0 else 0.0
    theta = k3 / (3.0 * k2 * kappa) if kappa > 0.0 else 0.0
    return kappa, theta, k1 - theta


@register(
    id=5,
    name="SkewnessKurtosis",
    category="statistical",
    kind="estimator",
    cost="W",
    inputs=("trade",),
    reference="Jarque and Bera (1987), Int. Stat. Rev. 55; Amaya, Christoffersen, Jacobs, Vasquez (2015), "
    "J. Financial Economics 118",
)
class SkewnessKurtosis(WindowFormula):
    """Skewness g1 = m3 / m2^1.5 of the last n returns, central moments with divisor n.

    Against the sign of g1 where |g1| >= z_crit SE, SE^2 = 6 n (n - 1) / ((n - 2)(n + 1)(n + 3)): high
    realised skewness is followed by low returns. Confidence 1 - jb_p.

    Outputs: kurtosis m4 / m2^2 - 3; jb = n/6 (g1^2 + kurtosis^2 / 4); jb_p = exp(-jb / 2).

    References
    ----------
    Jarque and Bera (1987), Int. Stat. Rev. 55; Amaya, Christoffersen, Jacobs, Vasquez (2015), J. Financial
    Economics 118.
    """

    n = Whole(100, "returns in the window", low=4)
    z_crit = Real(1.96, "standard errors beyond which the skewness counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("kurtosis", "jb", "jb_p")

    def _look(self, s: Series) -> None:
        n = self.n
        r = s.last("r", n)
        d = r - float(np.mean(r))
        m2 = float(np.mean(d * d))
        if sqrt(m2) <= FLAT:
            self._report(0.0, 0, 0.0, kurtosis=0.0, jb=0.0, jb_p=1.0)
            return
        g1 = float(np.mean(d**3)) / m2**1.5
        g2 = float(np.mean(d**4)) / m2**2 - 3.0
        jb = n / 6.0 * (g1 * g1 + g2 * g2 / 4.0)
        p = exp(-jb / 2.0)
        error = sqrt(6.0 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
        signal = -sign(g1) if abs(g1) >= self.z_crit * error else 0
        self._report(g1, signal, 1.0 - p, kurtosis=g2, jb=jb, jb_p=p)


@register(
    id=13,
    name="MomentEstimation",
    category="statistical",
    kind="estimator",
    cost="W",
    unit="log return",
    inputs=("trade",),
    reference="Pearson (1894); Madan and Seneta (1990), J. Business 63; Seneta (2004), J. Applied "
    "Probability 41A",
)
class MomentEstimation(WindowFormula):
    """Asymmetry theta of the variance-gamma law fitted by moments to the last n returns (`variance_gamma`).

    Value and kappa are 0 where k4 <= 0. With t = k1 / sqrt(k2 / n): its sign where |t| >= entry. Confidence
    2 Phi(|t|) - 1.

    Outputs: the k-statistics k1, k2, k3, k4; kappa; c; t.

    References
    ----------
    Pearson (1894); Madan and Seneta (1990), J. Business 63; Seneta (2004), J. Applied Probability 41A.
    """

    n = Whole(200, "returns in the window", low=4)
    entry = Real(1.96, "t at which a side is taken", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("k1", "k2", "k3", "k4", "kappa", "c", "t")

    def _look(self, s: Series) -> None:
        n = self.n
        r = s.last("r", n)
        if flat(r):
            self._report(0.0, 0, 0.0, **dict.fromkeys(self.gives, 0.0))
            return
        k1, k2, k3, k4 = k_statistics(r)
        kappa, theta, c = variance_gamma(r)
        t = k1 / sqrt(k2 / n)
        signal = sign(t) if abs(t) >= self.entry else 0
        self._report(theta, signal, within(t), k1=k1, k2=k2, k3=k3, k4=k4, kappa=kappa, c=c, t=t)


@register(
    id=25,
    name="TruncatedMean",
    category="statistical",
    cost="W",
    unit="log return",
    inputs=("trade",),
    reference="Tukey and McLaughlin (1963), Sankhya A 25",
)
class TruncatedMean(WindowFormula):
    """Mean of the last n returns without the g = floor(trim n) least and the g greatest.

    t = value / SE, SE = s_w / ((1 - 2g/n) sqrt(n)), s_w the sample sd of the winsorised window; p is of
    Student's t with n - 2g - 1 degrees of freedom, two-sided. The sign of the value where p < alpha.
    Confidence 1 - p. Where s_w <= 1e-12, t = 0 and p = 1.

    Outputs: t; p; se.

    References
    ----------
    Tukey and McLaughlin (1963), Sankhya A 25.
    """

    n = Whole(50, "returns in the window", low=3)
    trim = Real(0.10, "share left out at either end", low=0.0, high=0.5, open_high=True)
    alpha = Real(0.05, "p-value below which a side is taken", low=0.0, high=1.0)

    def _prepare(self) -> None:
        if self.n - 2 * whole(self.trim * self.n) < 2:
            raise FormulaError(f"n must leave 2 returns or more after the trim, was {self.n} at {self.trim}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("t", "p", "se")

    def _look(self, s: Series) -> None:
        n, g = self.n, whole(self.trim * self.n)
        r = np.sort(s.last("r", n))
        if flat(r):
            self._report(0.0, 0, 0.0, t=0.0, p=1.0, se=0.0)
            return
        value = float(np.mean(r[g : n - g]))
        sd = float(np.std(winsorised(r, g), ddof=1))
        error = sd / ((1.0 - 2.0 * g / n) * sqrt(n))
        t = value / error if sd > FLAT else 0.0
        p = student_two_sided(t, n - 2 * g - 1) if sd > FLAT else 1.0
        self._report(value, sign(value) if p < self.alpha else 0, 1.0 - p, t=t, p=p, se=error)


@register(
    id=26,
    name="MedianAbsoluteDeviation",
    category="statistical",
    cost="W",
    unit="log return",
    low=0.0,
    inputs=("trade",),
    reference="Hampel (1974), JASA 69; Rousseeuw and Croux (1993), JASA 88",
)
class MedianAbsoluteDeviation(WindowFormula):
    """Robust volatility: the median of |r - median| over the last n returns, over Phi^-1(3/4).

    z = (r_t - median) / value, 0 where the value is at most 1e-12. Against z where |z| >= entry. Confidence
    |z| / (2 entry), at most 1.

    Outputs: median; z.

    References
    ----------
    Hampel (1974), JASA 69; Rousseeuw and Croux (1993), JASA 88.
    """

    n = Whole(100, "returns in the window", low=2)
    entry = Real(3.0, "z at which a move is faded", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("median", "z")

    def _look(self, s: Series) -> None:
        r = s.last("r", self.n)
        if flat(r):
            self._report(0.0, 0, 0.0, median=0.0, z=0.0)
            return
        median = float(np.median(r))
        spread = float(np.median(np.abs(r - median))) / QUARTILE
        z = (float(r[-1]) - median) / spread if spread > FLAT else 0.0
        signal = -sign(z) if abs(z) >= self.entry else 0
        self._report(spread, signal, clip01(abs(z) / (2.0 * self.entry)), median=median, z=z)


@register(
    id=29,
    name="WinsorizedEstimate",
    category="statistical",
    cost="W",
    inputs=("trade",),
    reference="Dixon (1960), Ann. Math. Stat. 31; Yuen (1974), Biometrika 61",
)
class WinsorizedEstimate(WindowFormula):
    """Z-score of the last return against the winsorised mean and population sd of the last n.

    floor(limit n) returns at either end count as the nearest that is left. The value is (r_t - mean) / sd,
    unit 1, 0 where sd <= 1e-12. Against it where |value| >= entry. Confidence |value| / (2 entry), at most 1.

    Outputs: mean_w; sd_w.

    References
    ----------
    Dixon (1960), Ann. Math. Stat. 31; Yuen (1974), Biometrika 61.
    """

    n = Whole(100, "returns in the window", low=2)
    limit = Real(
        0.10, "share set to the nearest that is left, at either end", low=0.0, high=0.5, open_high=True
    )
    entry = Real(2.5, "value at which a move is faded", low=0.0, open_low=True)

    def _prepare(self) -> None:
        if self.n - 2 * whole(self.limit * self.n) < 1:
            raise FormulaError(f"n must leave a return at the limit, was {self.n} at {self.limit}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("mean_w", "sd_w")

    def _look(self, s: Series) -> None:
        r = s.last("r", self.n)
        if flat(r):
            self._report(0.0, 0, 0.0, mean_w=0.0, sd_w=0.0)
            return
        kept = winsorised(np.sort(r), whole(self.limit * self.n))
        mean, sd = float(np.mean(kept)), float(np.std(kept))
        z = (float(r[-1]) - mean) / sd if sd > FLAT else 0.0
        signal = -sign(z) if abs(z) >= self.entry else 0
        self._report(z, signal, clip01(abs(z) / (2.0 * self.entry)), mean_w=mean, sd_w=sd)
