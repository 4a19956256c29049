"""Tests for a unit root and for stationarity (47-49)."""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, direction, faded

__all__ = [
    "DickeyFullerTest",
    "KPSSTest",
    "PhillipsPerronTest",
    "augmented_dickey_fuller",
    "kpss",
    "phillips_perron",
]

Floats = NDArray[np.float64]


def augmented_dickey_fuller(x: Floats, lags: int) -> tuple[float, float]:
    """Return t-ratio and coefficient of x_{t-1} in the change of x on it, a constant and lagged changes.

    NaN where the regression leaves no residuals, or where x_{t-1} is a combination of the other regressors
    (a window that stands still but for its last move), so that no number is its coefficient.

    References
    ----------
    Said and Dickey (1984), Biometrika 71.
    """
    x = (x - np.mean(x)) / np.std(x)
    change = np.diff(x)
    y = change[lags:]
    lagged = [change[lags - i : len(change) - i] for i in range(1, lags + 1)]
    design = np.column_stack([x[lags:-1], np.ones(len(y)), *lagged])
    return _first_ratio(design, y)


def _first_ratio(design: Floats, y: Floats) -> tuple[float, float]:
    """t-ratio and coefficient of the first regressor; NaN where the others leave nothing of it."""
    u, size, v = np.linalg.svd(design, full_matrices=False)
    keep = size > np.finfo(np.float64).eps * max(design.shape) * size[0]
    if float(v[keep, 0] @ v[keep, 0]) < 1.0 - 1e-9:
        return float("nan"), float("nan")
    inverse = v[keep].T / size[keep]
    beta = inverse @ (u[:, keep].T @ y)
    rest = y - design @ beta
    variance = float(rest @ rest) / (len(y) - design.shape[1])
    error = sqrt(variance * float(inverse[0] @ inverse[0]))
    return float(beta[0]) / error if error > 0.0 else float("nan"), float(beta[0])


def phillips_perron(x: Floats, lags: int) -> tuple[float, float]:
    """Return Z_tau and the coefficient of x on its own lag; NaN where either has no definite value.

    References
    ----------
    Phillips and Perron (1988), Biometrika 75.
    """
    x = x - np.mean(x)
    x = x / np.std(x)
    N = len(x) - 1
    design = np.column_stack([x[:-1] - np.mean(x[:-1]), np.ones(N)])
    ratio, step = _first_ratio(design, np.diff(x))
    lag = design[:, 0]
    u = np.diff(x) - np.mean(np.diff(x)) - step * lag
    gamma = [float(u[j:] @ u[: N - j]) / N for j in range(lags + 1)]
    long_run = gamma[0] + 2.0 * sum((1.0 - j / (lags + 1)) * gamma[j] for j in range(1, lags + 1))
    s = sqrt(float(u @ u) / (N - 2))
    if not (s > 0.0 and long_run > 0.0):
        return float("nan"), 1.0 + step
    error = s / sqrt(float(lag @ lag))
    z = sqrt(gamma[0] / long_run) * ratio - 0.5 * (long_run - gamma[0]) / sqrt(long_run) * N * error / s
    return z, 1.0 + step


def kpss(x: Floats, lags: int) -> float:
    """Return the statistic of level stationarity; NaN where the long-run variance is not above 0.

    References
    ----------
    Kwiatkowski, Phillips, Schmidt, Shin (1992), J. Econometrics 54.
    """
    n = len(x)
    e = x - np.mean(x)
    e = e / np.std(e)
    total = float(e @ e)
    for j in range(1, lags + 1):
        total += 2.0 * (1.0 - j / (lags + 1)) * float(e[j:] @ e[:-j])
    s = np.cumsum(e)
    return float(s @ s) / (n * total) if total > 0.0 else float("nan")


class _Tested(SeriesFormula):
    """A test of log prices, run every so often."""

    n = Whole(250, "returns in the window, one less than its log prices", low=10, high=100_000)
    lags = Whole(4, "lags", low=0, high=1000)
    every = Whole(25, "observations between runs")
    alpha = Real(0.05, "level of the test", low=0.0, high=1.0)
    entry = Real(1.0, "score at which a deviation is faded", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        if self.n < 2 * self.lags + 6:
            raise FormulaError(f"n must be at least 2 lags + 6, was {self.n} with lags {self.lags}")
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    def _begin(self) -> None:
        self._run_said: Any = (0.0, 1.0, 0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_value", "rho", "z")

    @property
    def lookback(self) -> int:
        return self.n + 1

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _test(self, x: Floats) -> tuple[float, float]:
        """Statistic and rho."""
        raise NotImplementedError

    def _tested(self, x: Floats) -> tuple[float, float, float]:
        """Statistic, p-value, rho."""
        adfvalues = library("statsmodels.tsa.adfvalues")
        found = attempt(lambda: self._test(x)) if not np.all(x == x[0]) else None
        if found is None or not np.all(np.isfinite(found)):
            return 0.0, 1.0, 0.0
        return found[0], float(adfvalues.mackinnonp(found[0], regression="c", N=1)), found[1]

    def _advance(self, s: Series) -> None:
        if s.m < self.n:
            return
        x = s.last("log_price", self.n + 1)
        if self._schedule.due(s.m):
            self._run_said = self._tested(x)
        value, p, rho = self._run_said
        sd = float(np.std(x))
        z = (float(x[-1]) - float(np.mean(x))) / sd if sd > FLAT else 0.0
        signal = faded(z, self.entry) if p < self.alpha else 0
        self._report(value, signal, 1.0 - p, p_value=p, rho=rho, z=z)


@register(
    id=47,
    name="DickeyFullerTest",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    reference="Said and Dickey (1984), Biometrika 71; "
    "MacKinnon (1994), J. Business and Economic Statistics 12",
    library="statsmodels",
    extra="formulas",
)
class DickeyFullerTest(_Tested):
    """Augmented Dickey-Fuller t-ratio of rho over the last n + 1 log prices, with a constant.

    The change of x on x_{t-1}, a constant and `lags` lagged changes; p-value of MacKinnon's response surface.
    With p < alpha (a unit root is rejected) against the sign of z = (x_t - mean) / sd where |z| >= entry;
    confidence 1 - p. Outputs: p_value, rho (of x_{t-1}), z.

    References
    ----------
    Said and Dickey (1984), Biometrika 71; MacKinnon (1994), J. Business and Economic Statistics 12.
    """

    def _test(self, x: Floats) -> tuple[float, float]:
        return augmented_dickey_fuller(x, self.lags)


@register(
    id=48,
    name="PhillipsPerronTest",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    reference="Phillips and Perron (1988), Biometrika 75",
    library="statsmodels",
    extra="formulas",
)
class PhillipsPerronTest(_Tested):
    """Phillips-Perron Z_tau over the last n + 1 log prices, with a constant.

    The t-ratio of a regression of x on its lag, corrected for serial correlation by a long-run variance with
    Bartlett weights of `lags` lags. Signal and confidence as the augmented Dickey-Fuller test, p-value of the
    same surface. Outputs: p_value, rho (of the level regression: 1 under the unit root), z.

    References
    ----------
    Phillips and Perron (1988), Biometrika 75.
    """

    lags = Whole(5, "lags of the long-run variance", low=0, high=1000)

    def _test(self, x: Floats) -> tuple[float, float]:
        return phillips_perron(x, self.lags)


@register(
    id=49,
    name="KPSSTest",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    low=0.0,
    reference="Kwiatkowski, Phillips, Schmidt, Shin (1992), J. Econometrics 54",
    library="arch",
    extra="formulas",
)
class KPSSTest(SeriesFormula):
    """KPSS statistic of level stationarity over the last n log prices.

    Sum of squared partial sums of x - mean over n^2 times the long-run variance with Bartlett weights. The
    null is stationarity. With p < alpha a trend is followed: the direction over h observations; confidence
    1 - p. Outputs: p_value, from 0.0001.

    References
    ----------
    Kwiatkowski, Phillips, Schmidt, Shin (1992), J. Econometrics 54.
    """

    n = Whole(250, "log prices in the window", low=10, high=100_000)
    lags = Whole(9, "lags of the long-run variance", low=0, high=1000)
    every = Whole(25, "observations between runs")
    alpha = Real(0.05, "level of the test", low=0.0, high=1.0)
    h = Whole(50, "observations over which the direction is read", high=1_000_000)
    phase = Phase()

    def _prepare(self) -> None:
        if self.lags >= self.n:
            raise FormulaError(f"lags must be below n, was {self.lags} with n {self.n}")
        self._schedule = Schedule(self.n, self.every, self.phase)

    def _fixed(self) -> tuple[str, ...]:
        return ("_schedule",)

    def _begin(self) -> None:
        self._run_said = (0.0, 1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_value",)

    @property
    def lookback(self) -> int:
        return max(self.n, self.h + 1)

    @property
    def warm_up(self) -> int:
        return self.n

    def _tested(self, x: Floats) -> tuple[float, float]:
        unit_root = library("arch.unitroot.unitroot")
        found = attempt(lambda: kpss(x, self.lags)) if not np.all(x == x[0]) else None
        if found is None or not np.isfinite(found):
            return 0.0, 1.0
        return found, float(unit_root.kpss_crit(found, trend="c")[0])

    def _advance(self, s: Series) -> None:
        if s.count < self.n:
            return
        if self._schedule.due(s.count):
            self._run_said = self._tested(s.last("log_price", self.n))
        value, p = self._run_said
        self._report(value, direction(s, self.h) if p < self.alpha else 0, 1.0 - p, p_value=p)
