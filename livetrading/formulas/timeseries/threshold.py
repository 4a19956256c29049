"""Autoregressions whose regime follows the last return: smooth transition and threshold (38, 39)."""

from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Phase, Schedule
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.history import Series
from livetrading.formulas.libraries import attempt
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register
from livetrading.formulas.rules import FLAT, forecast_signal
from livetrading.formulas.timeseries.windows import (
    Refitted,
)

__all__ = ["STARModel", "SmoothTransition", "TARModel", "Threshold", "smooth_transition", "threshold"]

Floats = NDArray[np.float64]


def transition(x: Floats, gamma: float, c: float, sd: float) -> Floats:
    """Return the logistic weight of the second regime, 1 / (1 + exp(-gamma (x - c) / sd))."""
    u = np.clip(gamma * (x - c) / sd, -700.0, 700.0)
    weight: Floats = 1.0 / (1.0 + np.exp(-u))
    return weight


@dataclass(frozen=True, slots=True)
class SmoothTransition:
    """A fitted smooth-transition autoregression: intercept and slope of both regimes, where and how sharp."""

    coefficients: tuple[float, float, float, float]
    gamma: float
    c: float
    sd: float
    ssr: float

    def weight(self, x: float) -> float:
        """Weight of the second regime at a return."""
        return float(transition(np.array([x]), self.gamma, self.c, self.sd)[0])

    def forecast(self, x: float) -> float:
        """Expected return after x."""
        a1, b1, a2, b2 = self.coefficients
        g = self.weight(x)
        return (a1 + b1 * x) * (1.0 - g) + (a2 + b2 * x) * g


def smooth_transition(r: Floats) -> SmoothTransition | None:
    """Fit a logistic smooth-transition AR(1) by least squares on the fixed grid of thresholds and slopes.

    c over the 15, 20, ..., 85 % quantiles of the regressor, gamma over 10^(j/3), j = 0 ... 6; the first of
    the least sums of squared residuals. None where the regressor does not vary.

    References
    ----------
    Teräsvirta (1994), JASA 89.
    """
    x, y = r[:-1], r[1:]
    sd = float(np.std(x))
    if sd <= FLAT:
        return None
    best: SmoothTransition | None = None
    for c in np.quantile(x, np.arange(15, 90, 5) / 100.0).tolist():
        for j in range(7):
            gamma = 10.0 ** (j / 3)
            g = transition(x, gamma, c, sd)
            design = np.column_stack([1.0 - g, x * (1.0 - g), g, x * g])
            found = np.linalg.lstsq(design, y, rcond=None)[0]
            rest = y - design @ found
            ssr = float(rest @ rest)
            if best is None or ssr < best.ssr:
                a1, b1, a2, b2 = found.tolist()
                best = SmoothTransition((a1, b1, a2, b2), gamma, c, sd, ssr)
    return best


class _Switching(Refitted):
    n = Whole(250, "returns in the window", low=12, high=100_000)
    refit = Whole(50, "returns between fits")
    z0 = Real(0.1, "forecast over its sd at which it counts", low=0.0)
    phase = Phase()

    def _prepare(self) -> None:
        self._schedule = Schedule(self.n, self.refit, self.phase)


@register(
    id=38,
    name="STARModel",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log return",
    reference="Teräsvirta (1994), JASA 89",
)
class STARModel(_Switching):
    """Forecast of the next return by a logistic smooth-transition AR(1).

    r_t = (a_1 + b_1 r_{t-1})(1 - G) + (a_2 + b_2 r_{t-1}) G, G = 1 / (1 + exp(-gamma (r_{t-1} - c) / sd)),
    by least squares over a fixed grid of c and gamma, which is the definition. The forecast's sign where it
    is z0 residual sd, sqrt(SSR / (n - 7)); confidence 2 Phi - 1 of that ratio.
    Outputs: gamma, c, G at the last return, b_1, b_2, ssr.

    References
    ----------
    Teräsvirta (1994), JASA 89.
    """

    check_parameters: ClassVar[dict[str, Any]] = {"n": 60, "refit": 100}
    check_rows = 320

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gamma", "c", "G", "b_1", "b_2", "ssr")

    def _fit(self, s: Series) -> bool:
        r = s.last("r", self.n)
        found = attempt(lambda: smooth_transition(r)) if float(np.std(r)) > FLAT else None
        self._model = found or self._model
        return found is not None

    def _say(self, s: Series) -> None:
        model: SmoothTransition = self._model
        x = float(s.last("r", 1)[0])
        f = model.forecast(x)
        signal = forecast_signal(f, sqrt(model.ssr / (self.n - 7)), self.z0)
        said = {"gamma": model.gamma, "c": model.c, "G": model.weight(x), "ssr": model.ssr}
        self._report(f, *signal, **said, b_1=model.coefficients[1], b_2=model.coefficients[3])


@dataclass(frozen=True, slots=True)
class Threshold:
    """A fitted two-regime autoregression: threshold, intercept and slope up to it and above it."""

    c: float
    low: tuple[float, float]
    high: tuple[float, float]
    ssr: float
    sup_f: float

    def forecast(self, x: float) -> float:
        """Expected return after x."""
        a, b = self.low if x <= self.c else self.high
        return a + b * x


def threshold(r: Floats, trim: float) -> Threshold | None:
    """Fit SETAR(2; 1, 1) with delay 1 by least squares over the sorted regressors.

    Every candidate's sums are taken about its own regime's means, so that one far return does not cost the
    others their digits.

    References
    ----------
    Tong (1983), Threshold Models in Non-linear Time Series Analysis; Chan (1993), Ann. Stat. 21.
    """
    x, y = r[:-1], r[1:]
    N = len(x)
    ordered = np.sort(x)
    first, last = ceil(trim * N - 1e-9), floor((1.0 - trim) * N + 1e-9)
    c = ordered[first - 1 : last]
    below = x[None, :] <= c[:, None]
    ssr = regime_ssr(x, y, below) + regime_ssr(x, y, ~below)
    best = int(np.argmin(ssr))
    mask = below[best]
    low, ssr_low = _line(x[mask], y[mask])
    high, ssr_high = _line(x[~mask], y[~mask])
    least, alone = ssr_low + ssr_high, _line(x, y)[1]
    sup_f = N * (alone - least) / least if least > 0.0 else 0.0
    return Threshold(float(c[best]), low, high, least, sup_f) if np.isfinite(least) else None


def regime_ssr(x: Floats, y: Floats, member: NDArray[np.bool_]) -> Floats:
    """Return, for each row of `member`, the squared residuals' sum of y on x and a constant over its members.

    Where x does not vary among them the mean stands for the line.
    """
    weight = member.astype(np.float64)
    count = np.maximum(weight.sum(axis=1), 1.0)
    dx = (x[None, :] - (weight @ x / count)[:, None]) * weight
    dy = (y[None, :] - (weight @ y / count)[:, None]) * weight
    xx, xy = np.einsum("ij,ij->i", dx, dx), np.einsum("ij,ij->i", dx, dy)
    # what is left of equal numbers by rounding is no variation
    varies = xx > (1e-15 * count) ** 2 * (count + float(x @ x))
    slope = np.divide(xy, xx, out=np.zeros_like(xx), where=varies)
    rest = dy - slope[:, None] * dx
    return np.asarray(np.einsum("ij,ij->i", rest, rest))


def _line(x: Floats, y: Floats) -> tuple[tuple[float, float], float]:
    if not len(x):
        return (0.0, 0.0), 0.0
    design = np.column_stack([np.ones(len(x)), x])
    found = np.linalg.lstsq(design, y, rcond=None)[0]
    rest = y - design @ found
    return (float(found[0]), float(found[1])), float(rest @ rest)


@register(
    id=39,
    name="TARModel",
    category="timeseries",
    inputs=("trade",),
    cost="F",
    unit="log return",
    reference="Tong (1983), Threshold Models in Non-linear Time Series Analysis; Chan (1993), Ann. Stat. 21; "
    "Hansen (1997), Studies in Nonlinear Dynamics and Econometrics 2",
)
class TARModel(_Switching):
    """Forecast of the next return by a threshold autoregression of two regimes, SETAR(2; 1, 1), delay 1.

    a_1 + b_1 r where the last return r <= c, else a_2 + b_2 r; least squares in each regime, c among the
    sorted regressors, a share `trim` of them left out at both ends. The forecast's sign where it is z0
    residual sd, sqrt(SSR / (N - 5)), N = n - 1; confidence 2 Phi - 1 of that ratio.
    Outputs: c, a_1, b_1, a_2, b_2, ssr, sup_f = N (SSR_1 - SSR) / SSR over one regime.

    References
    ----------
    Tong (1983), Threshold Models in Non-linear Time Series Analysis; Chan (1993), Ann. Stat. 21; Hansen
    (1997), Studies in Nonlinear Dynamics and Econometrics 2.
    """

    n = Whole(250, "returns in the window", low=12, high=5000)
    trim = Real(0.15, "share of the regressors left out at each end", low=0.0, high=0.5, open_low=True)

    def _prepare(self) -> None:
        super()._prepare()
        N = self.n - 1
        if ceil(self.trim * N - 1e-9) > floor((1.0 - self.trim) * N + 1e-9):
            raise FormulaError(f"trim must leave a candidate, was {self.trim} with n {self.n}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("c", "a_1", "b_1", "a_2", "b_2", "ssr", "sup_f")

    def _fit(self, s: Series) -> bool:
        r = s.last("r", self.n)
        found = attempt(lambda: threshold(r, self.trim)) if float(np.std(r)) > FLAT else None
        self._model = found or self._model
        return found is not None

    def _say(self, s: Series) -> None:
        model: Threshold = self._model
        f = model.forecast(float(s.last("r", 1)[0]))
        signal = forecast_signal(f, sqrt(model.ssr / (self.n - 6)), self.z0)
        (a_1, b_1), (a_2, b_2) = model.low, model.high
        said = {"a_1": a_1, "b_1": b_1, "a_2": a_2, "b_2": b_2, "ssr": model.ssr, "sup_f": model.sup_f}
        self._report(f, *signal, c=model.c, **said)
