"""The move over a horizon that an ARIMA(1,1,1) of the log price expects."""

from math import sqrt
from typing import NamedTuple

import numpy as np

from livetrading.formulas.history import Series
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import forecast_signal
from livetrading.formulas.statistical.windows import (
    FittedFormula,
)
from livetrading.formulas.timeseries.autoregression import arma_fit, arma_residuals


class ARMA11(NamedTuple):
    """r_t - mu = phi (r_{t-1} - mu) + e_t + theta e_{t-1}, with the sd of e, and its last."""

    phi: float
    theta: float
    mu: float
    sigma: float
    error: float

    def next(self, r: float) -> float:
        """Return the forecast of the return after r."""
        return self.mu + self.phi * (r - self.mu) + self.theta * self.error

    def move(self, r: float, horizon: int) -> tuple[float, float]:
        """Return the forecast of the sum of the `horizon` returns after r, and its sd.

        References
        ----------
        Box and Jenkins (1970), Time Series Analysis.
        """
        phi, mu = self.phi, self.mu
        f = horizon * mu + (self.next(r) - mu) * (1.0 - phi**horizon) / (1.0 - phi)
        power, psi, square = 1.0, 1.0, 1.0
        for _ in range(1, horizon):
            psi += power * (phi + self.theta)
            power *= phi
            square += psi * psi
        return f, self.sigma * sqrt(square)


@register(
    id=17,
    name="ARIMAMomentum",
    category="statistical",
    cost="F",
    unit="log return",
    inputs=("trade",),
    library="statsmodels",
    extra="formulas",
    reference="Box and Jenkins (1970), Time Series Analysis",
)
class ARIMAMomentum(FittedFormula):
    """Forecast of ln p_{t+h} - ln p_t, h = `horizon`, by an ARIMA(1,1,1) with drift.

    The ARMA(1,1) of the returns is fitted as formula 33 fits; its residuals are run over the window after a
    fit, from zeros, and carried on. With f1 = mu + phi (r_t - mu) + theta e_t the value is
    h mu + (f1 - mu)(1 - phi^h) / (1 - phi), its sd s = sigma sqrt(sum Psi_i^2) over i = 0 .. h - 1,
    Psi_i = 1 + sum phi^(j-1) (phi + theta) over j = 1 .. i.

    Its sign where |value| >= z0 s. Confidence 2 Phi(|value| / s) - 1.

    Outputs: phi; theta; mu; sigma; f1.

    References
    ----------
    Box and Jenkins (1970), Time Series Analysis.
    """

    check_parameters = {"n": 120, "refit": 150}  # noqa: RUF012
    check_rows = 300
    n = Whole(400, "returns in the window", low=10, high=1_000_000)
    refit = Whole(100, "observations between fits")
    horizon = Whole(10, "observations that the move spans", high=100_000)
    z0 = Real(0.1, "forecast in its sd at which a side is taken", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("phi", "theta", "mu", "sigma", "f1")

    @property
    def lookback(self) -> int:
        return self.n + 1

    def _look(self, s: Series) -> None:
        if self._model is not None:
            before, r = s.last("r", 2).tolist()
            self._model = self._model._replace(error=r - self._model.next(before))
        super()._look(s)

    def _fit(self, s: Series) -> ARMA11 | None:
        r = s.last("r", self.n)
        mean, sd = float(np.mean(r)), float(np.std(r))
        y = (r - mean) / sd
        found = arma_fit(y, 1, 1)
        if found is None:
            return None
        phi, theta, variance = found
        error = arma_residuals(y, phi, theta)[-1] * sd
        return ARMA11(phi[0], theta[0], mean, sd * sqrt(variance), error)

    def _score(self, s: Series) -> None:
        model, r = self._model, float(s.last("r", 1)[0])
        f, sd = model.move(r, self.horizon)
        named = {"phi": model.phi, "theta": model.theta, "mu": model.mu, "sigma": model.sigma}
        self._report(f, *forecast_signal(f, sd, self.z0), **named, f1=model.next(r))
