"""Dependence: of returns on those before them, of prices on time, of two prices on each other."""

from math import exp, inf, log, pi, sin, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.statistics import chi_square_survival, concordance
from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series, log_returns
from livetrading.formulas.parameters import Real, Whole, Wholes
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, flat, sign, within
from livetrading.formulas.statistical.windows import (
    WindowFormula,
)

Floats = NDArray[np.float64]
NORMAL: Final = NormalDist()


def average_ranks(x: Floats) -> Floats:
    """Return ranks from 1, equal values sharing the mean of theirs."""
    ordered = np.sort(x)
    below, to = np.searchsorted(ordered, x, "left"), np.searchsorted(ordered, x, "right")
    return np.asarray((below + to + 1.0) / 2.0, np.float64)


def kendall(x: Floats, y: Floats) -> float:
    """Return Kendall's tau_b; 0 where one of the two does not vary."""
    score, in_x, in_y = concordance(np.ascontiguousarray(x), np.ascontiguousarray(y))
    return score / sqrt(in_x * in_y) if in_x and in_y else 0.0


@register(
    id=9,
    name="AutocorrelationTest",
    category="statistical",
    cost="W",
    low=-1.0,
    high=1.0,
    inputs=("trade",),
    reference="Ljung and Box (1978), Biometrika 65",
)
class AutocorrelationTest(WindowFormula):
    """Autocorrelation at lag 1 of the last n returns, and whether the first `lags` are those of noise.

    rho_k = sum (r_t - mean)(r_{t-k} - mean) / sum (r_t - mean)^2; the value is rho_1, unit 1. Ljung-Box
    Q = n(n + 2) sum rho_k^2 / (n - k) is chi-squared with `lags` degrees of freedom for noise; p is its
    survival. Where p < alpha the side is sgn(rho_1) sgn(r_t - mean). Confidence 1 - p.

    Outputs: Q; p; rho_1 to rho_lags.

    References
    ----------
    Ljung and Box (1978), Biometrika 65.
    """

    n = Whole(200, "returns in the window", low=3)
    lags = Whole(10, "autocorrelations tested", high=10_000)
    alpha = Real(0.05, "p-value below which returns are dependent", low=0.0, high=1.0)

    def _prepare(self) -> None:
        if self.lags >= self.n:
            raise FormulaError(f"lags must be below n, {self.n}, was {self.lags}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("Q", "p", *(f"rho_{k}" for k in range(1, self.lags + 1)))

    def _look(self, s: Series) -> None:
        n, r = self.n, s.last("r", self.n)
        if flat(r):
            self._report(0.0, 0, 0.0, **{**dict.fromkeys(self.gives, 0.0), "p": 1.0})
            return
        d = r - float(np.mean(r))
        square = float(d @ d)
        rho = [float(d[k:] @ d[:-k]) / square for k in range(1, self.lags + 1)]
        q = n * (n + 2.0) * sum(one * one / (n - k) for k, one in enumerate(rho, 1))
        p = chi_square_survival(q, self.lags)
        signal = sign(rho[0]) * sign(float(d[-1])) if p < self.alpha else 0
        self._report(rho[0], signal, 1.0 - p, Q=q, p=p, **{f"rho_{k}": x for k, x in enumerate(rho, 1)})


def variance_ratio(r: Floats, q: int) -> tuple[float, float, float]:
    """Return Lo and MacKinlay's unbiased ratio of overlapping q-period variances to that of one.

    Parameters
    ----------
    r : ndarray of float64, shape (n,)
        Log returns that vary.
    q : int
        1 to n - 1.

    Returns
    -------
    tuple of float
        The ratio; its z that is robust to heteroskedasticity, 0 where its variance is not above 0; the sum of
        the last q returns less q times the mean.

    References
    ----------
    Lo and MacKinlay (1988), Review of Financial Studies 1.
    """
    n = len(r)
    d = r - float(np.mean(r))
    e = d * d
    total = float(np.sum(e))
    walk = np.concatenate(([0.0], np.cumsum(d)))
    sums = walk[q:] - walk[:-q]
    ratio = float(sums @ sums) / (q * (n - q + 1) * (1.0 - q / n)) / (total / (n - 1))
    theta = sum((2.0 * (q - j) / q) ** 2 * (n * float(e[j:] @ e[:-j]) / (total * total)) for j in range(1, q))
    z = sqrt(n) * (ratio - 1.0) / sqrt(theta) if theta > 0.0 else 0.0
    return ratio, z, float(sums[-1])


@register(
    id=10,
    name="VarianceRatioTest",
    category="statistical",
    cost="W",
    low=0.0,
    inputs=("trade",),
    reference="Lo and MacKinlay (1988), Review of Financial Studies 1",
)
class VarianceRatioTest(WindowFormula):
    """Variance of q-period returns over q times that of one-period returns (`variance_ratio`), unit 1.

    1 for a random walk, more where moves go on, less where they turn back; 1 where returns do not vary. Where
    z* >= entry the side is that of the last q returns less q means, where z* <= -entry the other. Confidence
    2 Phi(|z*|) - 1.

    Outputs: z_star; p = 2 Phi(-|z*|).

    References
    ----------
    Lo and MacKinlay (1988), Review of Financial Studies 1.
    """

    n = Whole(240, "returns in the window", low=3)
    q = Whole(5, "periods of the longer returns", high=100_000)
    entry = Real(1.96, "z* at which a side is taken", low=0.0)

    def _prepare(self) -> None:
        if self.q >= self.n:
            raise FormulaError(f"q must be below n, {self.n}, was {self.q}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z_star", "p")

    def _look(self, s: Series) -> None:
        r = s.last("r", self.n)
        if flat(r):
            self._report(1.0, 0, 0.0, z_star=0.0, p=1.0)
            return
        ratio, z, last = variance_ratio(r, self.q)
        signal = sign(z) * sign(last) if abs(z) >= self.entry else 0
        self._report(ratio, signal, within(z), z_star=z, p=2.0 * NORMAL.cdf(-abs(z)))


def rescaled_range(r: Floats, size: int) -> Floats:
    """Return R/S of the disjoint blocks of a size that end at the newest return, those that vary.

    R is the greatest less the least of the cumulated deviations from the block's mean, S its population sd.

    Parameters
    ----------
    r : ndarray of float64, shape (n,)
    size : int
        Returns in a block.

    References
    ----------
    Hurst (1951), Trans. ASCE 116.
    """
    count = len(r) // size
    blocks = r[len(r) - count * size :].reshape(count, size)
    if not count:
        return np.empty(0)
    blocks = blocks[np.std(blocks, axis=1) > FLAT]
    d = blocks - blocks.mean(axis=1, keepdims=True)
    spread = np.ptp(np.cumsum(d, axis=1), axis=1)
    found: Floats = spread / np.sqrt(np.mean(d * d, axis=1))
    return found


def hurst(r: Floats, sizes: tuple[int, ...]) -> float:
    """Return the slope of ln mean R/S on ln size by least squares; 0.5 with fewer than two sizes."""
    found = [(log(m), rescaled_range(r, m)) for m in sizes]
    points = [(x, log(float(np.mean(rs)))) for x, rs in found if len(rs)]
    x, y = np.array([one[0] for one in points]), np.array([one[1] for one in points])
    if len(points) < 2 or np.ptp(x) == 0.0:
        return 0.5
    d = x - np.mean(x)
    return float(d @ y) / float(d @ d)


def range_law(v: float) -> float:
    """Return P(V <= v) of the range of a Brownian bridge (Lo 1991): 0 below 0.3, where it is under 1e-7."""
    if v < 0.3:
        return 0.0
    terms = ((1.0 - 4.0 * k * k * v * v) * exp(-2.0 * k * k * v * v) for k in range(1, 101))
    return min(1.0, max(0.0, 1.0 + 2.0 * sum(terms)))


def lo_statistic(r: Floats, q: int) -> float:
    """Return Lo's modified rescaled range over sqrt(n), with q autocovariances; 0 for want of a variance.

    References
    ----------
    Lo (1991), Econometrica 59.
    """
    n = len(r)
    d = r - float(np.mean(r))
    variance = float(d @ d) / n
    variance += 2.0 * sum((1.0 - j / (q + 1.0)) * float(d[j:] @ d[:-j]) / n for j in range(1, q + 1))
    return float(np.ptp(np.cumsum(d))) / sqrt(n * variance) if variance > 0.0 else 0.0


@register(
    id=12,
    name="HurstExponent",
    category="statistical",
    kind="estimator",
    cost="W",
    inputs=("trade",),
    reference="Hurst (1951), Trans. ASCE 116; Lo (1991), Econometrica 59",
)
class HurstExponent(WindowFormula):
    """Classical Hurst exponent of the last n returns: how ln R/S grows with ln size (`hurst`), unit 1.

    It is biased upward in small samples, so the side rests on Lo's test: with V (`lo_statistic`) and its law
    F, the way of the last h prices where F(V) >= 1 - alpha/2, the other where F(V) <= alpha/2. Confidence
    |2 F(V) - 1|. Where returns do not vary the value is 0.5. Computed every `every` observations; the way of
    the last h prices is looked at anew at each, 0 before there are h.

    Outputs: lo_v; lo_cdf.

    References
    ----------
    Hurst (1951), Trans. ASCE 116; Lo (1991), Econometrica 59.
    """

    check_parameters = {"n": 256, "sizes": (16, 32, 64)}  # noqa: RUF012
    check_rows = 450
    n = Whole(512, "returns in the window", low=4)
    sizes = Wholes((16, 32, 64, 128), "returns in a block", low=2)
    every = Whole(16, "observations between computations")
    q = Whole(10, "autocovariances in Lo's test", low=0)
    alpha = Real(0.05, "size of Lo's test", low=0.0, high=1.0)
    h = Whole(32, "observations whose way is followed")
    phase = Phase()

    def _prepare(self) -> None:
        if self.q >= self.n:
            raise FormulaError(f"q must be below n, {self.n}, was {self.q}")
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("lo_v", "lo_cdf")

    @property
    def lookback(self) -> int:
        return max(self.n, self.h)

    def _begin(self) -> None:
        self._found = (0.5, 0.0, 0.5, 0)

    def _compute(self, r: Floats) -> None:
        """Exponent, V, F(V), and which way to follow the last prices."""
        if flat(r):
            self._found = (0.5, 0.0, 0.5, 0)
            return
        v = lo_statistic(r, self.q)
        f = range_law(v) if v > 0.0 else 0.5
        follow = 1 if f >= 1.0 - self.alpha / 2.0 else -1 if f <= self.alpha / 2.0 else 0
        self._found = (hurst(r, self.sizes), v, f, follow)

    def _look(self, s: Series) -> None:
        if self._schedule.due(s.m):
            self._compute(s.last("r", self.n))
        value, v, f, follow = self._found
        price = s.last("price", min(self.h, s.m) + 1)
        way = sign(float(price[-1]) - float(price[0])) if s.m >= self.h else 0
        self._report(value, follow * way, abs(2.0 * f - 1.0), lo_v=v, lo_cdf=f)


@register(
    id=21,
    name="CopulaDependence",
    category="statistical",
    cost="W",
    low=0.0,
    high=1.0,
    inputs=("trade", "cross"),
    reference="Nelsen (2006), An Introduction to Copulas; Liew and Wu (2013), J. Derivatives and Hedge Funds "
    "19",
)
class CopulaDependence(WindowFormula):
    """Chance, given what the peer did, of an own return as low as the last, by a Gaussian copula.

    u, v are the average ranks of the newest own and peer returns among the last n, over n + 1; tau is
    Kendall's tau_b of the n pairs and rho = sin(pi tau / 2), within 0.999. The value is
    Phi((Phi^-1(u) - rho Phi^-1(v)) / sqrt(1 - rho^2)), unit 1; 0.5 where either does not vary.

    Long where it is at most `entry`, short where at least 1 - entry. Confidence
    |2 value - 1| |tau| / (|tau| + SE), SE^2 = 2(2n + 5) / (9n(n - 1)).

    Outputs: tau; rho; lambda_lower 2^(-1/theta) of Clayton's copula with theta = 2 tau / (1 - tau);
    lambda_upper 2 - 2^(1 - tau) of Gumbel's; both 0 where tau <= 0.

    References
    ----------
    Nelsen (2006), An Introduction to Copulas; Liew and Wu (2013), J. Derivatives and Hedge Funds 19.
    """

    holds = ("cross.0",)
    needs = ("price", "cross.0")
    check_parameters = {"n": 60}  # noqa: RUF012
    check_rows = 400
    n = Whole(250, "returns in the window", low=2)
    every = Whole(1, "observations between computations")
    entry = Real(0.05, "chance at which a side is taken", low=0.0, high=0.5)
    phase = Phase()

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("tau", "rho", "lambda_lower", "lambda_upper")

    def _look(self, s: Series) -> None:
        if not self._schedule.due(s.m):
            return
        n, x, y = self.n, s.last("r", self.n), log_returns(s.last("cross.0", self.n + 1).copy())
        if flat(x) or flat(y):
            self._report(0.5, 0, 0.0, **dict.fromkeys(self.gives, 0.0))
            return
        tau = kendall(x, y)
        rho = max(-0.999, min(0.999, sin(pi * tau / 2.0)))
        u, v = place(x), place(y)
        value = NORMAL.cdf((NORMAL.inv_cdf(u) - rho * NORMAL.inv_cdf(v)) / sqrt(1.0 - rho * rho))
        error = sqrt(2.0 * (2.0 * n + 5.0) / (9.0 * n * (n - 1.0)))
        confidence = abs(2.0 * value - 1.0) * abs(tau) / (abs(tau) + error)
        signal = 1 if value <= self.entry else -1 if value >= 1.0 - self.entry else 0
        theta = 2.0 * tau / (1.0 - tau) if tau < 1.0 else inf
        lower, upper = (2.0 ** (-1.0 / theta), 2.0 - 2.0 ** (1.0 - tau)) if tau > 0.0 else (0.0, 0.0)
        self._report(value, signal, confidence, tau=tau, rho=rho, lambda_lower=lower, lambda_upper=upper)


def place(x: Floats) -> float:
    """Return the average rank of the newest value over the number of them and one."""
    last = x[-1]
    return (float(np.sum(x < last)) + 0.5 * float(np.sum(x == last)) + 0.5) / (len(x) + 1.0)


@register(
    id=23,
    name="RankCorrelation",
    category="statistical",
    cost="W",
    low=-1.0,
    high=1.0,
    inputs=("trade",),
    reference="Spearman (1904), Am. J. Psychology 15; Mann (1945), Econometrica 13",
)
class RankCorrelation(SeriesFormula):
    """Spearman's correlation of the last n prices with time, unit 1; 0 where all are equal.

    It is Pearson's correlation of the average ranks. Its sign where |value| >= entry. Confidence |value|.

    Outputs: kendall_tau, tau_b of the same pairs.

    References
    ----------
    Spearman (1904), Am. J. Psychology 15; Mann (1945), Econometrica 13.
    """

    n = Whole(50, "prices in the window", low=2)
    entry = Real(0.7, "correlation at which a side is taken", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("kendall_tau",)

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n

    def _advance(self, s: Series) -> None:
        n = self.n
        if s.count < n:
            return
        price = s.last("price", n)
        d = average_ranks(price) - (n + 1.0) / 2.0
        square = float(d @ d)
        if square == 0.0:
            self._report(0.0, 0, 0.0, kendall_tau=0.0)
            return
        time = np.arange(n) - (n - 1.0) / 2.0
        rho = max(-1.0, min(1.0, float(time @ d) / sqrt(square * float(time @ time))))
        signal = sign(rho) if abs(rho) >= self.entry and rho != 0.0 else 0
        self._report(rho, signal, abs(rho), kendall_tau=kendall(time.astype(np.float64), price))
