"""Statistics of returns and prices: moments, tests, tails, dependence (1 to 30)."""

from math import exp, sqrt

import numpy as np

from livetrading.formulas.base import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register


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
class SkewnessKurtosis(SeriesFormula):
    """Skewness g1 = m3 / m2^1.5 of the last n returns, central moments with divisor n.

    Against the sign of g1 where |g1| >= z_crit SE, SE^2 = 6 n (n - 1) / ((n - 2)(n + 1)(n + 3)): high
    realised skewness is followed by low returns. Confidence 1 - jb_p.

    Outputs: kurtosis m4 / m2^2 - 3; jb = n/6 (g1^2 + kurtosis^2 / 4); jb_p = exp(-jb / 2).
    """

    n = Whole(100, "returns in the window", low=4)
    z_crit = Real(1.96, "standard errors beyond which the skewness counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("kurtosis", "jb", "jb_p")

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _advance(self, s: Series) -> None:
        n = self.n
        if s.m < n:
            return
        r = s.last("r", n)
        d = r - float(np.mean(r))
        m2 = float(np.mean(d * d))
        if sqrt(m2) <= 1e-12:
            self._report(0.0, 0, 0.0, kurtosis=0.0, jb=0.0, jb_p=1.0)
            return
        g1 = float(np.mean(d**3)) / m2**1.5
        g2 = float(np.mean(d**4)) / m2**2 - 3.0
        jb = n / 6.0 * (g1 * g1 + g2 * g2 / 4.0)
        p = exp(-jb / 2.0)
        error = sqrt(6.0 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
        signal = (-1 if g1 > 0 else 1) if abs(g1) >= self.z_crit * error else 0
        self._report(g1, signal, 1.0 - p, kurtosis=g2, jb=jb, jb_p=p)
