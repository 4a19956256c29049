"""Models with a hidden state: switching regimes, the local linear trend, the common factor (40, 59, 60)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, pi, sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Batch, Phase, Schedule, row_of
from livetrading.formulas.channels import Observation, field_of, prices_of, time_of
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import Series, log_returns
from livetrading.formulas.libraries import attempt, library
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, forecast_signal, sign, within
from livetrading.formulas.tables import columns_of
from livetrading.formulas.timeseries.windows import (
    Refitted,
    dollars,
)

__all__ = [
    "DynamicFactorModel",
    "Factor",
    "MarkovSwitching",
    "Regimes",
    "StateSpaceModel",
    "Trend",
    "fit_factor",
    "fit_regimes",
    "fit_trend",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Regimes:
    """Two regimes of y by variance, low first: means, variances, chances to stay.

    References
    ----------
    Hamilton (1989), Econometrica 57.
    """

    mu: tuple[float, float]
    variance: tuple[float, float]
    stay: tuple[float, float]
    loglik: float = 0.0

    @property
    def start(self) -> float:
        """Probability of the high regime under the stationary law."""
        up, down = 1.0 - self.stay[0], 1.0 - self.stay[1]
        return up / (up + down)

    def predict(self, high: float) -> float:
        """Probability of the high regime after one step, from that of now."""
        return high * self.stay[1] + (1.0 - high) * (1.0 - self.stay[0])

    def update(self, high: float, y: float) -> tuple[float, float]:
        """Probability of the high regime after y, and the log likelihood of y, from that predicted."""
        logs = [
            -0.5 * (log(2.0 * pi * v) + (y - m) ** 2 / v) for m, v in zip(self.mu, self.variance, strict=True)
        ]
        most = max(logs)
        low_part, high_part = (1.0 - high) * exp(logs[0] - most), high * exp(logs[1] - most)
        total = low_part + high_part
        # what one regime cannot be told from nothing leaves the prediction as it was
        return (high_part / total, most + log(total)) if total > 0.0 else (high, most)

    def moments(self, high: float) -> tuple[float, float]:
        """Mean and variance of y under a probability of the high regime."""
        (m0, m1), (v0, v1) = self.mu, self.variance
        mean = (1.0 - high) * m0 + high * m1
        return mean, (1.0 - high) * (v0 + m0 * m0) + high * (v1 + m1 * m1) - mean * mean

    def run(self, y: Floats) -> tuple[float, float]:
        """Filter a series from the stationary law; probability of the high regime, log likelihood."""
        predicted, filtered, loglik = self.start, self.start, 0.0
        for x in y.tolist():
            filtered, one = self.update(predicted, x)
            predicted, loglik = self.predict(filtered), loglik + one
        return filtered, loglik


def fit_regimes(y: Floats) -> Regimes | None:
    """Fit two regimes by maximum likelihood; None where the optimiser does not converge."""
    markov = library("statsmodels.tsa.regime_switching.markov_regression")

    def fit() -> Regimes | None:
        model = markov.MarkovRegression(y, k_regimes=2, switching_variance=True)
        found = model.fit(disp=0)
        named = dict(zip(model.param_names, np.asarray(found.params).tolist(), strict=True))
        if not found.mle_retvals["converged"] or not np.all(np.isfinite([*named.values(), found.llf])):
            return None
        stay = named["p[0->0]"], 1.0 - named["p[1->0]"]
        order = (0, 1) if named["sigma2[0]"] <= named["sigma2[1]"] else (1, 0)
        low, high = order
        variance = named[f"sigma2[{low}]"], named[f"sigma2[{high}]"]
        if not variance[0] > 0.0 or not stay[0] + stay[1] < 2.0:
            return None
        mu = named[f"const[{low}]"], named[f"const[{high}]"]
        return Regimes(mu, variance, (stay[low], stay[high]), float(found.llf))

    return attempt(fit)


@register(
    id=40,
    name="MarkovSwitching",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    low=0.0,
    high=1.0,
    reference="Hamilton (1989), Econometrica 57; Hamilton (1994), Time Series Analysis, ch. 22",
    library="statsmodels",
    extra="formulas",
)
class MarkovSwitching(Refitted):
    """Predicted probability of the high-variance regime of Hamilton's model, two means and two variances.

    Fitted by maximum likelihood to y = r / sd of the window; filtered from the stationary law over the window
    after a fit, then carried on. The mixture's mean and sd one step ahead are the forecast: its sign where
    |f| >= z0 s; confidence 2 Phi(|f| / s) - 1. Outputs: p11, p22 (staying low, high), mu_low, mu_high,
    sigma_low, sigma_high (of returns), filtered (of the high regime now), loglik (of y).

    References
    ----------
    Hamilton (1989), Econometrica 57; Hamilton (1994), Time Series Analysis, ch. 22.
    """

    n = Whole(500, "returns in the window", low=20, high=100_000)
    refit = Whole(250, "returns between fits")
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)
    phase = Phase()
    check_parameters: ClassVar[dict[str, Any]] = {"n": 100, "refit": 300}
    check_rows = 240

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _begin(self) -> None:
        super()._begin()
        self._filtered = 0.0

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p11", "p22", "mu_low", "mu_high", "sigma_low", "sigma_high", "filtered", "loglik")

    def _fit(self, s: Series) -> bool:
        r = s.last("r", self.n)
        sd = float(np.std(r))
        found = fit_regimes(r / sd) if sd > FLAT else None
        if found is None:
            return False
        self._model = found, sd
        self._filtered = found.run(r / sd)[0]
        return True

    def _step(self, s: Series) -> None:
        model, sd = self._model
        y = float(s.last("r", 1)[0]) / sd
        self._filtered = model.update(model.predict(self._filtered), y)[0]

    def _say(self, s: Series) -> None:
        model: Regimes = self._model[0]
        sd = self._model[1]
        value = model.predict(self._filtered)
        mean, variance = model.moments(value)
        signal = forecast_signal(sd * mean, sd * sqrt(max(variance, 0.0)), self.z0)
        said = {"p11": model.stay[0], "p22": model.stay[1], "filtered": self._filtered}
        said |= {"mu_low": sd * model.mu[0], "mu_high": sd * model.mu[1], "loglik": model.loglik}
        low, high = (sd * sqrt(v) for v in model.variance)
        self._report(value, *signal, **said, sigma_low=low, sigma_high=high)


@dataclass(slots=True)
class Trend:
    """A level and a slope that walk at random, seen under noise, and where they are filtered to.

    References
    ----------
    Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter.
    """

    noise: float
    level_step: float
    slope_step: float
    level: float = 0.0
    slope: float = 0.0
    p00: float = 0.0
    p01: float = 0.0
    p11: float = 0.0
    loglik: float = 0.0

    def update(self, y: float) -> None:
        """Take y under the predicted state."""
        F = self.p00 + self.noise
        if not F > 0.0:
            return
        nu = y - self.level
        k0, k1 = self.p00 / F, self.p01 / F
        self.loglik -= 0.5 * (log(2.0 * pi * F) + nu * nu / F)
        self.level += k0 * nu
        self.slope += k1 * nu
        self.p11 = max(self.p11 - k1 * self.p01, 0.0)
        self.p01 = self.p01 * (self.noise / F)
        self.p00 = self.p00 * (self.noise / F)

    def predict(self) -> None:
        """Go on by one step."""
        self.level += self.slope
        self.p00 += 2.0 * self.p01 + self.p11 + self.level_step
        self.p01 += self.p11
        self.p11 += self.slope_step

    def begin(self, y: Floats, p: float) -> None:
        """Filter a series from the state (its first value, 0) with covariance p I before the first update."""
        self.level, self.slope, self.p00, self.p01, self.p11 = float(y[0]), 0.0, p, 0.0, p
        self.loglik = 0.0
        self.update(float(y[0]))
        for x in y[1:].tolist():
            self.predict()
            self.update(x)


def fit_trend(y: Floats) -> Trend | None:
    """Fit the three variances by maximum likelihood; None where the optimiser does not converge."""
    structural = library("statsmodels.tsa.statespace.structural")

    def fit() -> Trend | None:
        model = structural.UnobservedComponents(y, "lltrend")
        found = model.fit(disp=0)
        named = dict(zip(model.param_names, np.asarray(found.params).tolist(), strict=True))
        if not found.mle_retvals["converged"] or not np.all(np.isfinite(list(named.values()))):
            return None
        return Trend(named["sigma2.irregular"], named["sigma2.level"], named["sigma2.trend"])

    return attempt(fit)


@register(
    id=59,
    name="StateSpaceModel",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log return per observation",
    reference="Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter; "
    "Durbin and Koopman "
    "(2012), Time Series Analysis by State Space Methods",
    library="statsmodels",
    extra="formulas",
)
class StateSpaceModel(Refitted):
    """Filtered slope of a local linear trend in the log price.

    y = (ln p - ln p_first) / sd of the returns = level + noise; level and slope walk at random, the level by
    the slope too. Variances by maximum likelihood over the last n + 1 log prices; filtered over the window
    after a fit, from (y_1, 0) with covariance 1e6 I, then carried on with the same origin and scale. The sign
    of z = slope / sqrt(its variance) where |z| >= entry; confidence 2 Phi(|z|) - 1.
    Outputs: level, USD; var_irregular, var_level, var_trend, in y's unit.

    References
    ----------
    Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter; Durbin and Koopman
    (2012), Time Series Analysis by State Space Methods.
    """

    n = Whole(300, "returns in the window", low=10, high=100_000)
    refit = Whole(150, "returns between fits")
    entry = Real(1.0, "score at which the slope counts", low=0.0)
    phase = Phase()
    check_parameters: ClassVar[dict[str, Any]] = {"n": 80, "refit": 300}
    check_rows = 240

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.refit, self.phase)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("level", "var_irregular", "var_level", "var_trend")

    @property
    def lookback(self) -> int:
        return self.n + 1

    def _fit(self, s: Series) -> bool:
        sd = float(np.std(s.last("r", self.n)))
        if sd <= FLAT:
            return False
        x = s.last("log_price", self.n + 1)
        y = (x - x[0]) / sd
        found = fit_trend(y)
        if found is None:
            return False
        found.begin(y, 1e6)
        self._model = found, float(x[0]), sd
        return True

    def _step(self, s: Series) -> None:
        trend, origin, sd = self._model
        trend.predict()
        trend.update((float(s.last("log_price", 1)[0]) - origin) / sd)

    def _say(self, s: Series) -> None:
        trend: Trend = self._model[0]
        origin, sd = self._model[1:]
        signal, confidence = 0, 0.0
        if trend.p11 > 1e-18:
            z = trend.slope / sqrt(trend.p11)
            signal, confidence = sign(z) if abs(z) >= self.entry else 0, within(z)
        said = {"var_irregular": trend.noise, "var_level": trend.level_step, "var_trend": trend.slope_step}
        level = dollars(origin + sd * trend.level)
        self._report(trend.slope * sd, signal, confidence, level=level, **said)


@dataclass(slots=True)
class Factor:
    """One autoregressive factor behind M standardised returns, and where it is filtered to.

    References
    ----------
    Doz, Giannone, Reichlin (2011), J. Econometrics 164.
    """

    loading: Floats
    phi: float
    q: float
    psi: Floats
    share: float
    F: float = 0.0
    P: float = 0.0

    def begin(self, z: Floats) -> None:
        """Filter rows from 0 with the stationary variance before the first."""
        self.F, self.P = 0.0, self.q / (1.0 - self.phi**2)
        self.update(z[0])
        for row in z[1:]:
            self.predict()
            self.update(row)

    def predict(self) -> None:
        """Go on by one step."""
        self.F, self.P = self.phi * self.F, self.phi**2 * self.P + self.q

    def update(self, z: Floats) -> None:
        """Take a row under the predicted state."""
        if not self.P > 0.0:
            return
        weight = self.loading / self.psi
        gain = 1.0 / (1.0 / self.P + float(weight @ self.loading))
        self.F += gain * float(weight @ (z - self.loading * self.F))
        self.P = gain


def fit_factor(z: Floats) -> Factor | None:
    """Take the first principal component as the factor, and its autoregression.

    Parameters
    ----------
    z : ndarray of float64, shape (n, M)
        Standardised returns, the own first.
    """
    n, assets = z.shape
    size, vectors = np.linalg.eigh(z.T @ z / n)
    loading = vectors[:, -1] * (1.0 if np.sum(vectors[:, -1]) > 0.0 else -1.0)
    f = z @ loading
    below = float(f[:-1] @ f[:-1])
    if not below > 0.0:
        return None
    phi = min(max(float(f[1:] @ f[:-1]) / below, -0.99), 0.99)
    q = float(np.mean((f[1:] - phi * f[:-1]) ** 2))
    psi = np.maximum(np.mean((z - np.outer(f, loading)) ** 2, axis=0), 1e-8)
    found = Factor(loading, phi, q, psi, float(size[-1]) / assets)
    return found if np.all(np.isfinite([*loading, phi, q, *psi])) else None


@register(
    id=60,
    name="DynamicFactorModel",
    category="timeseries",
    inputs=("trade", "cross"),
    cost="F",
    reference="Doz, Giannone, Reichlin (2011), J. Econometrics 164; Stock and Watson (2002), JASA 97",
)
class DynamicFactorModel(Refitted):
    """Filtered common factor of the own return and those of K >= 2 cross columns.

    The window's returns, standardised; the loadings are the first principal component's, their sum positive;
    the factor's autoregression (phi, q) and the residual variances follow from it; then a Kalman filter, over
    the window after a fit and carried on. It forecasts the own return: its sign where it is z0 sd of the
    forecast; confidence 2 Phi - 1 of that ratio. The columns are those that the first observation with a
    cross channel has, `cross.0` on. Outputs: phi, P, share (of the first component in the variance),
    loading_0 (own), loading_1 ... loading_K.

    References
    ----------
    Doz, Giannone, Reichlin (2011), J. Econometrics 164; Stock and Watson (2002), JASA 97.
    """

    holds: tuple[str, ...] = ("cross.0", "cross.1")  # type: ignore[misc]
    needs: tuple[str, ...] = ("price", "cross.0", "cross.1")  # type: ignore[misc]
    n = Whole(400, "returns in the window", low=10, high=100_000)
    refit = Whole(100, "returns between fits")
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.refit, self.phase)

    def _begin(self) -> None:
        super()._begin()
        self._known = False

    @property
    def gives(self) -> tuple[str, ...]:
        return ("phi", "P", "share", *(f"loading_{k}" for k in range(len(self.holds) + 1)))

    @property
    def lookback(self) -> int:
        return self.n + 1

    def _hold(self, columns: int) -> None:
        """Read so many cross columns from now on."""
        self._known = True
        self.holds = tuple(f"cross.{k}" for k in range(max(columns, 2)))
        self.needs = ("price", *self.holds)
        if not self._shared:
            self._series = Series(self.reads, self.holds, self.lookback + 1)

    def reset(self) -> None:
        self.holds, self.needs = type(self).holds, type(self).needs
        super().reset()

    def attach(self, series: Series) -> None:
        self._hold(len(series.holds))
        super().attach(series)

    def update(self, observation: Observation | None = None, /, **fields: Any) -> None:
        row = fields if observation is None else row_of(observation, fields)
        time_of(row)
        for k in range(cross_columns(row)):
            field_of(row, f"cross.{k}")
        field_of(row, "price")
        if not self._known and (columns := cross_columns(row)):
            self._hold(columns)
        super().update(row)

    def run(self, columns: Any) -> Batch:
        columns = columns_of(columns)
        if not self._known and (found := cross_columns(columns)):
            self._hold(found)
        return super().run(columns)

    def restore(self, state: Mapping[str, Any]) -> None:
        self._check_state(state)
        own = state["own"]
        if not isinstance(own, Mapping) or not isinstance(own.get("holds"), tuple):
            raise FormulaError("a state must be what state() returns, was without the columns it holds")
        self._hold(len(own["holds"]))
        super().restore(state)

    def _fixed(self) -> Sequence[str]:
        return ("_schedule",)

    def _returns(self, s: Series, n: int) -> Floats:
        peers = [log_returns(s.last(name, n + 1)) for name in self.holds]
        return np.column_stack([s.last("r", n), *peers])

    def _fit(self, s: Series) -> bool:
        r = self._returns(s, self.n)
        mean, sd = np.mean(r, axis=0), np.std(r, axis=0)
        if np.min(sd) <= FLAT:
            return False
        z = (r - mean) / sd
        found = attempt(lambda: fit_factor(z))
        if found is None:
            return False
        found.begin(z)
        self._model = found, mean, sd
        return True

    def _step(self, s: Series) -> None:
        factor, mean, sd = self._model
        factor.predict()
        factor.update((self._returns(s, 1)[0] - mean) / sd)

    def _say(self, s: Series) -> None:
        factor: Factor = self._model[0]
        mean, sd = float(self._model[1][0]), float(self._model[2][0])
        own = float(factor.loading[0])
        f = mean + sd * own * factor.phi * factor.F
        variance = own**2 * (factor.phi**2 * factor.P + factor.q) + float(factor.psi[0])
        said = {f"loading_{k}": float(x) for k, x in enumerate(factor.loading)}
        said |= {"phi": factor.phi, "P": factor.P, "share": factor.share}
        self._report(factor.F, *forecast_signal(f, sd * sqrt(variance), self.z0), **said)


def cross_columns(row: Mapping[str, Any]) -> int:
    """Return how many cross columns an observation or a table has, from the first without a hole."""
    if prices := prices_of(row):
        return len(prices)
    columns = 0
    while f"cross.{columns}" in row:
        columns += 1
    return columns
