"""Inference that is drawn anew now and then: cointegration with a peer, the bootstrap of the mean."""

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import Series, log_returns
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, clip01, flat, sign
from livetrading.formulas.statistical.windows import (
    WindowFormula,
)

Floats = NDArray[np.float64]


class Cointegration(NamedTuple):
    """The Phillips-Ouliaris statistic, and the regression it is of."""

    statistic: float
    constant: float
    slope: float
    sd: float
    last: float


def phillips_ouliaris(y: Floats, x: Floats, bandwidth: int) -> Cointegration:
    """Return the Z_t statistic of y on a constant and x, with its regression.

    With residuals u, a = sum u_t u_{t-1} / S, S = sum u_{t-1}^2, k_t = u_t - a u_{t-1} and the Bartlett
    long-run variance w2 = s_0 + 2 l of k, Z_t = ((a - 1) - N l / S) sqrt(S / w2). 0 where the residuals are
    rounding: their population sd is at most 1e-12.

    Parameters
    ----------
    y, x : ndarray of float64, shape (N,)
        x varies.
    bandwidth : int
        Autocovariances in the long-run variance.

    References
    ----------
    Phillips and Ouliaris (1990), Econometrica 58.
    """
    n = len(y)
    dx, dy = x - np.mean(x), y - np.mean(y)
    slope = float(dx @ dy) / float(dx @ dx)
    constant = float(np.mean(y)) - slope * float(np.mean(x))
    u = dy - slope * dx
    square, sd = float(u[:-1] @ u[:-1]), float(np.std(u))
    statistic = 0.0
    if sd > FLAT and square > 0.0:
        a = float(u[1:] @ u[:-1]) / square
        k = u[1:] - a * u[:-1]
        weights = 1.0 - np.arange(1, bandwidth + 1) / (bandwidth + 1.0)
        lagged = sum(w * float(k[j:] @ k[:-j]) / n for j, w in enumerate(weights.tolist(), 1))
        variance = float(k @ k) / n + 2.0 * lagged
        if variance > 0.0:
            statistic = ((a - 1.0) - n * lagged / square) * sqrt(square / variance)
    return Cointegration(statistic, constant, slope, sd, float(u[-1]))


def cointegration_p(y: Floats, x: Floats, bandwidth: int) -> float:
    """Return the p-value of Z_t, by the response surfaces of arch; 1 where it cannot be told."""
    test = library("arch.unitroot.cointegration").phillips_ouliaris
    p = attempt(
        lambda: float(test(y, x, trend="c", test_type="Zt", kernel="bartlett", bandwidth=bandwidth).pvalue)
    )
    return 1.0 if p is None or not 0.0 <= p <= 1.0 else p


@register(
    id=7,
    name="CointegrationTest",
    category="statistical",
    cost="F",
    inputs=("trade", "cross"),
    library="arch",
    extra="formulas",
    reference="Phillips and Ouliaris (1990), Econometrica 58",
)
class CointegrationTest(WindowFormula):
    """Phillips-Ouliaris Z_t of the log price on a constant and the peer's, over n + 1 of both, unit 1.

    Every `every` observations statistic, p, constant a, slope b and the residuals' population sd are found;
    in between they are held. At each observation z = (ln p - a - b ln peer) / sd, 0 where sd <= 1e-12:
    against its sign where p < alpha and |z| >= entry. Confidence 1 - p. Where either price does not vary,
    statistic and b are 0 and p = 1; where they fit without a residual the statistic is 0 and p = 1.

    Outputs, of the last computation: p_value; beta b; spread_z.

    References
    ----------
    Phillips and Ouliaris (1990), Econometrica 58.
    """

    holds = ("cross.0",)
    needs = ("price", "cross.0")
    check_parameters = {"n": 100, "every": 50}  # noqa: RUF012
    check_rows = 300
    n = Whole(250, "returns in the window", low=10)
    bandwidth = Whole(5, "autocovariances in the long-run variance", low=0, high=10_000)
    every = Whole(25, "observations between computations")
    alpha = Real(0.05, "p-value below which the two belong together", low=0.0, high=1.0)
    entry = Real(2.0, "residual in sd at which it is faded", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        if self.bandwidth >= self.n:
            raise FormulaError(f"bandwidth must be below n, {self.n}, was {self.bandwidth}")
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_value", "beta", "spread_z")

    def _begin(self) -> None:
        self._found = Cointegration(0.0, 0.0, 0.0, 0.0, 0.0)
        self._p = 1.0

    def _compute(self, s: Series) -> None:
        x = np.log(s.last("cross.0", self.n + 1))
        if flat(s.last("r", self.n)) or flat(log_returns(s.last("cross.0", self.n + 1).copy())):
            self._found, self._p = Cointegration(0.0, 0.0, 0.0, 0.0, 0.0), 1.0
            return
        y = s.last("log_price", self.n + 1)
        self._found = phillips_ouliaris(y, x, self.bandwidth)
        self._p = cointegration_p(y.copy(), x, self.bandwidth) if self._found.sd > FLAT else 1.0

    def _look(self, s: Series) -> None:
        if self._schedule.due(s.m):
            self._compute(s)
        found, p = self._found, self._p
        peer = float(np.log(s.last("cross.0", 1)[0]))
        u = float(s.last("log_price", 1)[0]) - found.constant - found.slope * peer
        z, held = (u / found.sd, found.last / found.sd) if found.sd > FLAT else (0.0, 0.0)
        signal = -sign(z) if p < self.alpha and abs(z) >= self.entry else 0
        self._report(found.statistic, signal, clip01(1.0 - p), p_value=p, beta=found.slope, spread_z=held)


def bootstrap_means(r: Floats, block: int, count: int, seed: int, run: int) -> Floats:
    """Return means of stationary-bootstrap samples.

    Parameters
    ----------
    r : ndarray of float64, shape (n,)
    block : int
        Mean length of the blocks.
    count : int
        Samples.
    seed, run : int
        Key of the draws: PCG64 of SeedSequence([seed, run]).

    Returns
    -------
    ndarray of float64, shape (count,)

    References
    ----------
    Politis and Romano (1994), JASA 89.
    """
    bootstrap = library("arch.bootstrap").StationaryBootstrap
    draws = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, run])))
    return np.asarray(bootstrap(block, r, seed=draws).apply(np.mean, count), np.float64)[:, 0]


@register(
    id=14,
    name="BootstrapConfidence",
    category="statistical",
    cost="F",
    low=0.0,
    high=1.0,
    inputs=("trade",),
    library="arch",
    extra="formulas",
    reference="Politis and Romano (1994), JASA 89; Efron (1979), Ann. Stat. 7",
)
class BootstrapConfidence(WindowFormula):
    """Share of the stationary-bootstrap means of the last n returns that are above 0, unit 1.

    Every `every` observations B means are drawn (`bootstrap_means`), the j-th time, from 0, by the key
    (seed, j). lo and hi are their (1 - level)/2 and (1 + level)/2 quantiles: long where lo > 0, short where
    hi < 0. Confidence |2 value - 1|. All 0 where the returns do not vary.

    Outputs: lo; hi; mean of the returns; se, the population sd of the means.

    References
    ----------
    Politis and Romano (1994), JASA 89; Efron (1979), Ann. Stat. 7.
    """

    check_parameters = {"n": 60, "B": 60, "every": 60}  # noqa: RUF012
    check_rows = 250
    n = Whole(200, "returns in the window", low=2)
    block = Whole(10, "mean length of the blocks", high=10_000)
    B = Whole(500, "samples", high=1_000_000)
    level = Real(0.90, "chance between lo and hi", low=0.0, high=1.0)
    every = Whole(25, "observations between computations")
    seed = Whole(0, "key of the draws", low=0, high=2**63 - 1)
    phase = Phase()

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("lo", "hi", "mean", "se")

    def _look(self, s: Series) -> None:
        if not self._schedule.due(s.m):
            return
        r = s.last("r", self.n).copy()
        if flat(r):
            self._report(0.0, 0, 0.0, lo=0.0, hi=0.0, mean=0.0, se=0.0)
            return
        means = bootstrap_means(r, self.block, self.B, self.seed, (s.m - self.n) // self.every)
        value = float(np.mean(means > 0.0))
        tails = np.quantile(means, ((1.0 - self.level) / 2.0, (1.0 + self.level) / 2.0))
        lo, hi = float(tails[0]), float(tails[1])
        signal = 1 if lo > 0.0 else -1 if hi < 0.0 else 0
        mean, se = float(np.mean(r)), float(np.std(means))
        self._report(value, signal, abs(2.0 * value - 1.0), lo=lo, hi=hi, mean=mean, se=se)
