"""Linear autoregressions: Yule-Walker, ARMA, Beveridge-Nelson, vector autoregression (31-33, 54, 58)."""

from collections.abc import Sequence
from math import sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import SeriesFormula
from livetrading.formulas.history import Series, log_returns
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, forecast_signal
from livetrading.formulas.timeseries.windows import (
    Refitted,
)

__all__ = [
    "ARMAModel",
    "ARModel",
    "BeveridgeNelson",
    "MAModel",
    "VARModel",
    "arma_fit",
    "arma_forecast",
    "arma_residuals",
    "beveridge_nelson_cycle",
    "least_squares_ar",
    "levinson_durbin",
]

Floats = NDArray[np.float64]


def levinson_durbin(gamma: Floats) -> tuple[Floats, float]:
    """Solve the Yule-Walker equations.

    Parameters
    ----------
    gamma : ndarray of float64, shape (p + 1,)
        Autocovariances at lags 0 to p, the first one positive.

    Returns
    -------
    phi : ndarray of float64, shape (p,)
    variance : float
        Of the innovations.

    References
    ----------
    Durbin (1960), Review of the International Statistical Institute 28.
    """
    p = len(gamma) - 1
    phi = np.zeros(p)
    variance = float(gamma[0])
    for k in range(1, p + 1):
        last = (float(gamma[k]) - float(phi[: k - 1] @ gamma[k - 1 : 0 : -1])) / variance
        phi[: k - 1] -= last * phi[: k - 1][::-1].copy()
        phi[k - 1] = last
        variance *= 1.0 - last * last
        if not variance > 0.0:
            break
    return phi, max(variance, 0.0)


@register(
    id=31,
    name="ARModel",
    category="timeseries",
    inputs=("trade",),
    cost="W",
    unit="log return",
    reference="Yule (1927), Phil. Trans. R. Soc. A 226; Walker (1931), Proc. R. Soc. A 131; Durbin (1960)",
)
class ARModel(SeriesFormula):
    """Forecast of the next return by an AR(p) whose coefficients solve Yule-Walker over the last n returns.

    f = mean + sum of phi_i (r_{t+1-i} - mean), autocovariances with divisor n. The sign of f where |f| is at
    least z0 sigma, sigma^2 = gamma_0 - sum of phi_i gamma_i; confidence 2 Phi(|f| / sigma) - 1.
    Outputs: phi_1 ... phi_p, sigma, r2 = 1 - sigma^2 / gamma_0.

    References
    ----------
    Yule (1927), Phil. Trans. R. Soc. A 226; Walker (1931), Proc. R. Soc. A 131; Durbin (1960).
    """

    n = Whole(250, "returns in the window", low=3, high=1_000_000)
    p = Whole(3, "lags", high=1000)
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)

    def _prepare(self) -> None:
        if self.p >= self.n:
            raise FormulaError(f"p must be below n, was {self.p} with n {self.n}")

    @property
    def gives(self) -> tuple[str, ...]:
        return (*(f"phi_{i}" for i in range(1, self.p + 1)), "sigma", "r2")

    @property
    def lookback(self) -> int:
        return self.n

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _advance(self, s: Series) -> None:
        n, p = self.n, self.p
        if s.m < n:
            return
        r = s.last("r", n)
        mean = float(np.mean(r))
        d = r - mean
        gamma = np.array([float(d[k:] @ d[: n - k]) for k in range(p + 1)]) / n
        if sqrt(gamma[0]) <= FLAT:
            self._report(0.0, 0, 0.0, **dict.fromkeys(self.gives, 0.0))
            return
        phi, variance = levinson_durbin(gamma)
        f = mean + float(phi @ d[-1 : -p - 1 : -1])
        sigma = sqrt(variance)
        named = {f"phi_{i + 1}": float(phi[i]) for i in range(p)}
        signal = forecast_signal(f, sigma, self.z0)
        self._report(f, *signal, **named, sigma=sigma, r2=1.0 - variance / float(gamma[0]))


def arma_fit(y: Floats, p: int, q: int) -> tuple[list[float], list[float], float] | None:
    """Fit an ARMA(p, q) without a mean by exact Gaussian maximum likelihood (innovations algorithm).

    Returns
    -------
    (phi, theta, sigma2), or None
        y_t = sum phi_i y_{t-i} + e_t + sum theta_j e_{t-j}; None where the fit is refused: a parameter that
        is not finite, a root of the AR polynomial not outside the unit circle, one of the MA inside.
    """
    innovations = library("statsmodels.tsa.arima.estimators.innovations")

    def fit() -> tuple[list[float], list[float], float] | None:
        found = innovations.innovations_mle(y, order=(p, 0, q), demean=False)[0]
        phi, theta = np.atleast_1d(found.ar_params)[:p], np.atleast_1d(found.ma_params)[:q]
        if not np.all(np.isfinite([*phi, *theta, found.sigma2])) or not found.sigma2 > 0.0:
            return None
        if p and np.any(np.abs(np.roots([1.0, *-phi])) >= 1.0):
            return None
        if q and np.any(np.abs(np.roots([1.0, *theta])) > 1.0 + 1e-9):
            return None
        return phi.tolist(), theta.tolist(), float(found.sigma2)

    return attempt(fit)


def arma_residuals(y: Floats, phi: Sequence[float], theta: Sequence[float]) -> list[float]:
    """Return e_t = y_t - sum phi_i y_{t-i} - sum theta_j e_{t-j}, y and e zero before the first."""
    p, q = len(phi), len(theta)
    recent, errors = [0.0] * p, [0.0] * q
    e: list[float] = []
    for x in y.tolist():
        e.append(x - _inner(phi, recent) - _inner(theta, errors))
        recent, errors = [x, *recent][:p], [e[-1], *errors][:q]
    return e


def arma_forecast(
    phi: Sequence[float], theta: Sequence[float], recent: Sequence[float], errors: Sequence[float]
) -> float:
    """Return sum phi_i y_{t+1-i} + sum theta_j e_{t+1-j}, the newest first in `recent` and `errors`."""
    return _inner(phi, recent) + _inner(theta, errors)


def _inner(a: Sequence[float], b: Sequence[float]) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


class _ARMA(Refitted):
    """The kernel of the autoregressive moving averages."""

    n = Whole(400, "returns in the window", low=10, high=1_000_000)
    refit = Whole(100, "returns between fits")
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)
    phase = Phase()

    @property
    def _order(self) -> tuple[int, int]:
        raise NotImplementedError

    def _prepare(self) -> None:
        p, q = self._order
        if p + q < 1 or 2 * (p + q) >= self.n:
            raise FormulaError(f"p + q must be from 1 to below n / 2, was {p + q} with n {self.n}")
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _begin(self) -> None:
        super()._begin()
        self._recent: list[float] = []
        self._errors: list[float] = []

    def _fit(self, s: Series) -> bool:
        r = s.last("r", self.n)
        p, q = self._order
        mean, sd = float(np.mean(r)), float(np.std(r))
        if sd <= FLAT:
            return False
        y = (r - mean) / sd
        found = arma_fit(y, p, q)
        if found is None:
            return False
        self._model = (*found, mean, sd)
        self._recent = y[::-1][:p].tolist()
        self._errors = arma_residuals(y, found[0], found[1])[::-1][:q]
        return True

    def _step(self, s: Series) -> None:
        phi, theta, _, mean, sd = self._model
        p, q = self._order
        y = (float(s.last("r", 1)[0]) - mean) / sd
        e = y - arma_forecast(phi, theta, self._recent, self._errors)
        self._recent, self._errors = [y, *self._recent][:p], [e, *self._errors][:q]

    def _say(self, s: Series) -> None:
        phi, theta, variance, mean, sd = self._model
        f = mean + sd * arma_forecast(phi, theta, self._recent, self._errors)
        sigma = sd * sqrt(variance)
        named = {f"phi_{i + 1}": x for i, x in enumerate(phi)}
        named.update({f"theta_{j + 1}": x for j, x in enumerate(theta)})
        self._report(f, *forecast_signal(f, sigma, self.z0), **named, sigma=sigma, mu=mean)


@register(
    id=32,
    name="MAModel",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log return",
    reference="Slutsky (1937), Econometrica 5; Brockwell and Davis (1991), Time Series: Theory and Methods, "
    "ch. 5 and 8",
    library="statsmodels",
    extra="formulas",
)
class MAModel(_ARMA):
    """Forecast of the next return by an MA(q), fitted by exact Gaussian maximum likelihood.

    f = mu + sum of theta_j e_{t+1-j}; the residuals are run over the window after each fit, from zeros, and
    carried on. The sign of f where |f| >= z0 sigma; confidence 2 Phi(|f| / sigma) - 1.
    Outputs: theta_1 ... theta_q, sigma, mu.

    References
    ----------
    Slutsky (1937), Econometrica 5; Brockwell and Davis (1991), Time Series: Theory and Methods, ch. 5 and 8.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 120, "refit": 200}
    check_rows = 360
    q = Whole(2, "lags of the errors", high=20)

    @property
    def _order(self) -> tuple[int, int]:
        return 0, self.q

    @property
    def gives(self) -> tuple[str, ...]:
        return (*(f"theta_{j}" for j in range(1, self.q + 1)), "sigma", "mu")


@register(
    id=33,
    name="ARMAModel",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log return",
    reference="Box and Jenkins (1970), Time Series Analysis; Brockwell and Davis (1991), Time Series: Theory "
    "and Methods, ch. 8",
    library="statsmodels",
    extra="formulas",
)
class ARMAModel(_ARMA):
    """Forecast of the next return by an ARMA(p, q), fitted by exact Gaussian maximum likelihood.

    On y = (r - mean) / sd of the window: e_t = y_t - sum phi_i y_{t-i} - sum theta_j e_{t-j}, run over the
    window after each fit, from zeros, and carried on; f = mean + sd (sum phi_i y_{t+1-i} + sum theta_j
    e_{t+1-j}). The sign of f where |f| >= z0 sigma; confidence 2 Phi(|f| / sigma) - 1.
    Outputs: phi_1 ... phi_p, theta_1 ... theta_q, sigma, mu.

    References
    ----------
    Box and Jenkins (1970), Time Series Analysis; Brockwell and Davis (1991), Time Series: Theory and Methods,
    ch. 8.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 120, "refit": 200}
    check_rows = 360
    p = Whole(2, "lags of the returns", low=0, high=20)
    q = Whole(1, "lags of the errors", low=0, high=20)

    @property
    def _order(self) -> tuple[int, int]:
        return self.p, self.q

    @property
    def gives(self) -> tuple[str, ...]:
        phi = tuple(f"phi_{i}" for i in range(1, self.p + 1))
        return (*phi, *(f"theta_{j}" for j in range(1, self.q + 1)), "sigma", "mu")


def least_squares_ar(r: Floats, p: int) -> tuple[float, Floats, float]:
    """Fit an AR(p) with a constant by least squares over the rows that have all lags.

    Returns
    -------
    constant : float
    phi : ndarray of float64, shape (p,)
    ssr : float
    """
    n = len(r)
    design = np.column_stack([np.ones(n - p), *(r[p - i : n - i] for i in range(1, p + 1))])
    found = np.linalg.lstsq(design, r[p:], rcond=None)[0]
    rest = r[p:] - design @ found
    return float(found[0]), np.asarray(found[1:], np.float64), float(rest @ rest)


def beveridge_nelson_cycle(phi: Floats, state: Floats) -> float:
    """Return -e_1' F (I - F)^-1 s, F the companion matrix of phi; the state's newest deviation first."""
    companion = _companion(phi)
    forward = np.linalg.solve(np.eye(len(phi)) - companion, state)
    return -float(companion[0] @ forward)


def _companion(phi: Floats) -> Floats:
    matrix = np.zeros((len(phi), len(phi)))
    matrix[0] = phi
    matrix[np.arange(1, len(phi)), np.arange(len(phi) - 1)] = 1.0
    return matrix


@register(
    id=54,
    name="BeveridgeNelson",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log price",
    reference="Beveridge and Nelson (1981), J. Monetary Economics 7; Morley (2002), Economics Letters 75",
)
class BeveridgeNelson(Refitted):
    """Beveridge-Nelson cycle of the log price under an AR(p) of its returns.

    c_t = -sum over h >= 1 of E_t[r_{t+h} - mu] = -e_1' F (I - F)^-1 s_t, F the companion matrix, s_t the last
    p returns less mu = constant / (1 - sum phi). Least squares over the window. The sign of -c_t (the
    catching up that is expected) where it is z0 residual sd; confidence 2 Phi - 1 of that ratio. A fit that
    is not stationary is refused. Outputs: trend e^(ln p - c), USD; mu; phi_1 ... phi_p.

    References
    ----------
    Beveridge and Nelson (1981), J. Monetary Economics 7; Morley (2002), Economics Letters 75.
    """

    n = Whole(400, "returns in the window", low=4, high=1_000_000)
    p = Whole(4, "lags", high=100)
    refit = Whole(50, "returns between fits")
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        if self.n < 2 * self.p + 2:
            raise FormulaError(f"n must be at least 2 p + 2, was {self.n} with p {self.p}")
        self._schedule = Schedule(self.n, self.refit, self.phase)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("trend", "mu", *(f"phi_{i}" for i in range(1, self.p + 1)))

    def _fit(self, s: Series) -> bool:
        r = s.last("r", self.n)
        sd = float(np.std(r))
        if sd <= FLAT:
            return False

        def fit() -> tuple[float, Floats, float] | None:
            constant, phi, ssr = least_squares_ar(r / sd, self.p)
            if not np.all(np.isfinite(phi)) or np.any(np.abs(np.linalg.eigvals(_companion(phi))) >= 1.0):
                return None
            mu = sd * constant / (1.0 - float(np.sum(phi)))
            return mu, phi, sd * sqrt(ssr / (self.n - 2 * self.p - 1))

        found = attempt(fit)
        self._model = found or self._model
        return found is not None

    def _say(self, s: Series) -> None:
        mu, phi, sd = self._model
        c = beveridge_nelson_cycle(phi, s.last("r", self.p)[::-1] - mu)
        trend = float(np.exp(min(float(s.last("log_price", 1)[0]) - c, 709.0)))
        named = {f"phi_{i + 1}": float(phi[i]) for i in range(self.p)}
        self._report(c, *forecast_signal(-c, sd, self.z0), trend=trend, mu=mu, **named)


def vector_rows(y: Floats, p: int) -> Floats:
    """Return the regressors of a vector autoregression: a constant, then lag 1 of every column, lag 2, ..."""
    n = len(y)
    return np.column_stack([np.ones(n - p), *(y[p - i : n - i] for i in range(1, p + 1))])


@register(
    id=58,
    name="VARModel",
    category="timeseries",
    inputs=("trade", "cross"),
    cost="F",
    unit="log return",
    reference="Sims (1980), Econometrica 48; Granger (1969), Econometrica 37; Lütkepohl (2005), New "
    "Introduction to Multiple Time Series Analysis",
    library="scipy",
    extra="formulas",
)
class VARModel(Refitted):
    """Forecast of the own next return by a vector autoregression of it and of column 0's return.

    Least squares with a constant on p lags of both, each over its sd in the window. The forecast's sign where
    it is z0 residual sd and where column 0 helps: Granger's F = ((SSR_0 - SSR) / p) / (SSR / d), d = n - p -
    (2p + 1), SSR_0 without the peer's lags, has p_value < alpha in the F law of p and 2d degrees of freedom.
    Confidence (2 Phi - 1)(1 - p_value). Outputs: f_stat, p_value, forecast_peer.

    References
    ----------
    Sims (1980), Econometrica 48; Granger (1969), Econometrica 37; Lütkepohl (2005), New Introduction to
    Multiple Time Series Analysis.
    """

    holds = ("cross.0",)
    needs = ("price", "cross.0")
    n = Whole(400, "returns in the window", low=6, high=1_000_000)
    p = Whole(2, "lags", high=100)
    refit = Whole(50, "returns between fits")
    alpha = Real(0.10, "level of the causality test", low=0.0, high=1.0)
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        if self.n - self.p - (2 * self.p + 1) < 1:
            raise FormulaError(f"n must be at least 3 p + 2, was {self.n} with p {self.p}")
        self._schedule = Schedule(self.n, self.refit, self.phase)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("f_stat", "p_value", "forecast_peer")

    def _returns(self, s: Series, n: int) -> Floats:
        return np.column_stack([s.last("r", n), log_returns(s.last("cross.0", n + 1))])

    def _fit(self, s: Series) -> bool:
        r = self._returns(s, self.n)
        sd = np.std(r, axis=0)
        if np.min(sd) <= FLAT:
            return False
        found = attempt(lambda: granger(r / sd, self.p))
        if found is None:
            return False
        self._model = (*found, sd)
        return True

    def _say(self, s: Series) -> None:
        coefficients, ssr, f_stat, p_value, sd = self._model
        lags = self._returns(s, self.p)[::-1] / sd
        own, peer = (np.concatenate([[1.0], lags.ravel()]) @ coefficients * sd).tolist()
        d = self.n - 3 * self.p - 1
        signal, confidence = forecast_signal(own, sqrt(ssr / d) * float(sd[0]), self.z0)
        if not p_value < self.alpha:
            signal, confidence = 0, 0.0
        said = {"f_stat": f_stat, "p_value": p_value, "forecast_peer": peer}
        self._report(own, signal, confidence * (1.0 - p_value), **said)


def granger(y: Floats, p: int) -> tuple[Floats, float, float, float] | None:
    """Fit a vector autoregression of two columns and test whether the second helps to forecast the first.

    Returns
    -------
    (coefficients, ssr, f_stat, p_value), or None where the fit leaves nothing to compare
        Of shape (2p + 1, 2), a column an equation; the sum of squared residuals of the first.
    """
    special = library("scipy.special")
    design, own = vector_rows(y, p), y[p:]
    coefficients = np.linalg.lstsq(design, own, rcond=None)[0]
    alone = design[:, [0, *range(1, 2 * p + 1, 2)]]
    rest = own - design @ coefficients
    rest_alone = own[:, 0] - alone @ np.linalg.lstsq(alone, own[:, 0], rcond=None)[0]
    ssr, ssr_alone = float(rest[:, 0] @ rest[:, 0]), float(rest_alone @ rest_alone)
    d = len(y) - 3 * p - 1
    if not ssr > 0.0 or not np.all(np.isfinite(coefficients)):
        return None
    f_stat = (ssr_alone - ssr) / p / (ssr / d)
    return np.asarray(coefficients, np.float64), ssr, f_stat, float(special.fdtrc(p, 2 * d, max(f_stat, 0.0)))
