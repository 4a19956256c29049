"""Where returns fall among others: divergence of their histograms, tails, the place of the last."""

from collections import deque
from math import exp, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.statistics import chi_square_survival
from livetrading.core.variates import normal_quantile
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, clip01, flat, sign, whole
from livetrading.formulas.statistical.windows import (
    WindowFormula,
)

Floats = NDArray[np.float64]


def divergence(reference: Floats, recent: Floats, bins: int) -> float:
    """Return KL(P || Q) of recent values P from reference values Q, in nats.

    Bins end at the j / bins quantiles of the reference, each with its upper end; a half is added to every
    count.

    Parameters
    ----------
    reference, recent : ndarray of float64, shapes (n,), (m,)
    bins : int
        2 or more.

    References
    ----------
    Kullback and Leibler (1951), Ann. Math. Stat. 22; Krichevsky and Trofimov (1981), IEEE Trans. Inf.
    Theory 27.
    """
    edges = np.quantile(reference, np.arange(1, bins) / bins)
    p, q = (
        (np.bincount(np.searchsorted(edges, x, "left"), minlength=bins) + 0.5) / (len(x) + bins / 2.0)
        for x in (recent, reference)
    )
    return max(0.0, float(np.sum(p * np.log(p / q))))


@register(
    id=8,
    name="KLDivergence",
    category="statistical",
    cost="W",
    unit="nat",
    low=0.0,
    inputs=("trade",),
    reference="Kullback and Leibler (1951), Ann. Math. Stat. 22; Krichevsky and Trofimov (1981), IEEE Trans. "
    "Inf. Theory 27",
)
class KLDivergence(SeriesFormula):
    """How far the last n_rec returns are from the n_ref before them (`divergence`), nats.

    S = 2 n_ref n_rec / (n_ref + n_rec) KL is chi-squared with bins - 1 degrees of freedom where they are
    alike; p is its survival. Where p < alpha the side is that of the recent mean less the reference's.
    Confidence 1 - p. Where the reference does not vary, or has fewer than `bins` different values, the value
    is 0, p = 1.

    Outputs: S; p.

    References
    ----------
    Kullback and Leibler (1951), Ann. Math. Stat. 22; smoothing: Krichevsky and Trofimov (1981), IEEE Trans.
    Inf. Theory 27.
    """

    n_ref = Whole(250, "returns in the reference", low=2)
    n_rec = Whole(50, "recent returns")
    bins = Whole(10, "bins, as many values of the reference in each", low=2, high=10_000)
    alpha = Real(0.05, "p-value below which returns have changed", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("S", "p")

    @property
    def lookback(self) -> int:
        return self.n_ref + self.n_rec

    @property
    def warm_up(self) -> int:
        return self.lookback + 1

    def _advance(self, s: Series) -> None:
        if s.m < self.lookback:
            return
        r = s.last("r", self.lookback)
        reference, recent = r[: self.n_ref], r[self.n_ref :]
        if flat(reference) or len(np.unique(reference)) < self.bins:
            self._report(0.0, 0, 0.0, S=0.0, p=1.0)
            return
        kl = divergence(reference, recent, self.bins)
        statistic = 2.0 * self.n_ref * self.n_rec / self.lookback * kl
        p = chi_square_survival(statistic, self.bins - 1)
        way = sign(float(np.mean(recent)) - float(np.mean(reference)))
        self._report(kl, way if p < self.alpha else 0, 1.0 - p, S=statistic, p=p)


ROUNDING: Final = 1e-9
"""Relative: returns of a steady growth differ by as much as that, and their tail has no index."""


def hill(ordered: Floats, k: int) -> float:
    """Return the Hill estimate of the tail index from values in descending order, k of them in the tail.

    Parameters
    ----------
    ordered : ndarray of float64, shape (N,)
        Above 0; the first is above the one after the k-th.
    k : int
        1 to N - 1.

    References
    ----------
    Hill (1975), Ann. Stat. 3.
    """
    return 1.0 / float(np.mean(np.log(ordered[:k] / ordered[k])))


def tail_quantile(alpha: float, threshold: float, share: float, p: float) -> float:
    """Return the level exceeded with chance p, where a share of values is above a threshold.

    threshold (share / p)^(1 / alpha), at most the largest float64.

    References
    ----------
    Weissman (1978), JASA 73.
    """
    power = log(share / p) / alpha
    return threshold * exp(power) if power + log(threshold) < 709.0 and power < 709.0 else np.finfo(float).max


@register(
    id=20,
    name="ParetoTail",
    category="statistical",
    kind="estimator",
    cost="W",
    low=0.0,
    inputs=("trade",),
    reference="Hill (1975), Ann. Stat. 3; Weissman (1978), JASA 73",
)
class ParetoTail(WindowFormula):
    """Hill's tail index of |r| over the last n returns, those that are 0 left out, unit 1.

    k = floor(k_frac N) of the N in the tail (`hill`). Against the last return where it is beyond the
    `tail_quantile` Q of p_tail; then confidence 1 - 1.96 / sqrt(k), at least 0, else 0. All 0 where N < 50 or
    the tail does not vary.

    Outputs: se value / sqrt(k); quantile Q; threshold, the greatest |r| below the tail.

    References
    ----------
    Hill (1975), Ann. Stat. 3; Weissman (1978), JASA 73.
    """

    n = Whole(500, "returns in the window", low=50)
    k_frac = Real(0.10, "share of the returns in the tail", low=0.02, high=1.0, open_high=True)
    p_tail = Real(0.01, "chance of a return beyond the quantile", low=1e-9, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("se", "quantile", "threshold")

    def _look(self, s: Series) -> None:
        r = s.last("r", self.n)
        size = np.sort(np.abs(r[r != 0.0]))[::-1]
        total = len(size)
        k = min(whole(self.k_frac * total), total - 1)
        if total < 50 or size[0] <= size[k] * (1.0 + ROUNDING):
            self._report(0.0, 0, 0.0, se=0.0, quantile=0.0, threshold=0.0)
            return
        alpha, threshold, last = hill(size, k), float(size[k]), float(r[-1])
        level = tail_quantile(alpha, threshold, k / total, self.p_tail)
        beyond = abs(last) > level
        confidence = clip01(1.0 - 1.96 / sqrt(k)) if beyond else 0.0
        signal = -sign(last) if beyond else 0
        self._report(alpha, signal, confidence, se=alpha / sqrt(k), quantile=level, threshold=threshold)


def berkowitz(u: Floats) -> tuple[float, float]:
    """Return Berkowitz's likelihood ratio of places u, and its p: small where they are not uniform noise.

    z = Phi^-1(u) is fitted by least squares, z_i = c + rho z_{i-1} + e with the residuals' own variance, and
    held against N(0, 1) noise; chi-squared with 3 degrees of freedom. 0 and 1 where z does not vary.

    Parameters
    ----------
    u : ndarray of float64, shape (n,)
        In (0, 1), oldest first.

    References
    ----------
    Berkowitz (2001), J. Business and Economic Statistics 19.
    """
    z = normal_quantile(np.ascontiguousarray(u))
    before, after = z[:-1], z[1:]
    if np.std(before) <= FLAT or np.std(after) <= FLAT:
        return 0.0, 1.0
    dx, dy = before - np.mean(before), after - np.mean(after)
    e = dy - float(dx @ dy) / float(dx @ dx) * dx
    m = len(after)
    variance = max(float(e @ e) / m, 1e-300)  # a fit without residuals
    lr = -m * (log(variance) + 1.0) + float(after @ after)
    return lr, chi_square_survival(lr, 3)


def uniform_distance(u: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance of values from the uniform law on [0, 1]."""
    ordered, n = np.sort(u), len(u)
    steps = np.arange(n + 1) / n
    return float(max(np.max(steps[1:] - ordered), np.max(ordered - steps[:-1])))


@register(
    id=30,
    name="ProbabilityIntegralTransform",
    category="statistical",
    cost="W",
    low=0.0,
    high=1.0,
    inputs=("trade",),
    reference="Rosenblatt (1952), Ann. Math. Stat. 23; Berkowitz (2001), J. Business and Economic Statistics "
    "19",
)
class ProbabilityIntegralTransform(SeriesFormula):
    """Place of the last return among the n before it: (lower + equal / 2 + 1/2) / (n + 1), unit 1.

    Long where it is at most `entry`, short where at least 1 - entry. Confidence |2 value - 1| p_B, p_B of
    `berkowitz` over the last m_cal places. Ready when there are m_cal of them.

    Outputs: lr; p_B; ks, the `uniform_distance` of the last m_cal places.

    References
    ----------
    Rosenblatt (1952), Ann. Math. Stat. 23; Berkowitz (2001), J. Business and Economic Statistics 19.
    """

    n = Whole(250, "returns that the last is placed among")
    m_cal = Whole(100, "places that the calibration is tested on", low=4)
    entry = Real(0.025, "place at which a side is taken", low=0.0, high=0.5)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("lr", "p_B", "ks")

    @property
    def lookback(self) -> int:
        return self.n + 1

    @property
    def warm_up(self) -> int:
        return self.n + self.m_cal + 1

    def _begin(self) -> None:
        self._places: deque[float] = deque(maxlen=self.m_cal)

    def _advance(self, s: Series) -> None:
        if s.m <= self.n:
            return
        r = s.last("r", self.n + 1)
        past, last = r[:-1], r[-1]
        lower, equal = np.count_nonzero(past < last), np.count_nonzero(past == last)
        value = (lower + 0.5 * equal + 0.5) / (self.n + 1.0)
        self._places.append(value)
        if len(self._places) < self.m_cal:
            return
        u = np.array(self._places)
        lr, p = berkowitz(u)
        signal = 1 if value <= self.entry else -1 if value >= 1.0 - self.entry else 0
        self._report(value, signal, abs(2.0 * value - 1.0) * p, lr=lr, p_B=p, ks=uniform_distance(u))
