"""Forecasts of the price out of sample, each made of what was known on its day.

All prices and models are logarithms on a grid of days; a day on which one is not known is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from math import nan, sqrt
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FORMS",
    "HORIZONS",
    "STEP_DAYS",
    "TRAINING_DAYS",
    "Comparison",
    "Forecasts",
    "Form",
    "compare",
    "diebold_mariano",
    "forecast",
    "growth_forecast",
    "holm",
    "naive_forecast",
    "origins",
]

Floats = NDArray[np.float64]
Form = Literal["level", "error-correction"]

HORIZONS: Final = (30, 90)
"""Days ahead."""
STEP_DAYS: Final = 10
"""Days from one forecast to the next."""
TRAINING_DAYS: Final = 730
"""Fewest pairs of a day and its outcome that a regression is made of."""
FORMS: Final[tuple[Form, ...]] = ("level", "error-correction")
LEAST_FORECASTS: Final = 30


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """Forecasts of ln price, and what came.

    Attributes
    ----------
    origins : ndarray of int64, shape (n,)
        Days, as positions on the grid, on which a forecast was made.
    values, outcomes : ndarray of float64, shape (n,)
        ln price as foretold for origin + horizon, and as it was then.
    horizon : int
        Days.
    """

    origins: NDArray[np.int64]
    values: Floats
    outcomes: Floats
    horizon: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two forecasts of the same outcomes.

    Attributes
    ----------
    forecasts : int
        How many there are of each; at least 30, or all figures are NaN.
    rmse, median_abs : float
        Root mean square and median absolute error of the first, in logarithms.
    rmse_ratio, median_ratio : float
        The same over those of the second; below 1 the first is better.
    statistic, p_value : float
        Of Diebold and Mariano's test of equal mean squared errors, two-sided; below 0 the first is better.
    """

    forecasts: int
    rmse: float
    median_abs: float
    rmse_ratio: float
    median_ratio: float
    statistic: float
    p_value: float


def origins(price: Floats, horizon: int) -> NDArray[np.int64]:
    """Return the days whose forecast can be judged, every tenth of the grid after the training days."""
    days = np.arange(TRAINING_DAYS + horizon, max(len(price) - horizon, 0), STEP_DAYS)
    return days[~np.isnan(price[days] + price[days + horizon])]


def forecast(price: Floats, model: Floats, horizon: int, form: Form) -> Forecasts:
    """Foretell ln price by a regression on a model, fitted anew at every origin.

    Parameters
    ----------
    price, model : ndarray of float64, shape (days,)
    horizon : int
        Days ahead.
    form : {"level", "error-correction"}
        "level": ln P(s + h) = a + b ln M(s). "error-correction": ln P(s + h) - ln P(s) = a + g (ln P(s) - ln
        M(s)), which takes the model at its word that its value is the price to return to.

    Returns
    -------
    Forecasts
        At an origin t the coefficients are those of least squares over all days s with s + h <= t, of which
        there must be `TRAINING_DAYS`; nothing later than t is looked at.
    """
    regressor = model if form == "level" else price - model
    known_at = regressor[: len(price) - horizon]
    outcome = price[horizon:] - (0.0 if form == "level" else price[: len(price) - horizon])
    intercept, slope = _expanding_fit(known_at, outcome)
    days = origins(price, horizon)
    last = days - horizon  # the last day whose outcome is known at the origin
    values = intercept[last] + slope[last] * regressor[days]
    if form == "error-correction":
        values = values + price[days]
    made = ~np.isnan(values)
    return Forecasts(
        origins=days[made], values=values[made], outcomes=price[days[made] + horizon], horizon=horizon
    )


def _expanding_fit(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Intercept and slope of y on x over the days up to each; NaN of too few days or a constant x."""
    both = ~(np.isnan(x) | np.isnan(y))
    if not both.any():
        return np.full(len(x), nan), np.full(len(x), nan)
    # Sums of squares about a value of the data itself lose no digits to the size of the logarithms.
    x0, y0 = x[both][0], y[both][0]
    dx, dy = np.where(both, x - x0, 0.0), np.where(both, y - y0, 0.0)
    n = np.cumsum(both).astype(np.float64)
    sx, sy, sxx, sxy = (np.cumsum(part) for part in (dx, dy, dx * dx, dx * dy))
    spread = n * sxx - sx * sx
    usable = (n >= TRAINING_DAYS) & (spread > 1e-9 * n * sxx)
    safe = np.where(usable, spread, nan)
    slope = (n * sxy - sx * sy) / safe
    intercept = y0 + (sy - slope * sx) / np.maximum(n, 1.0) - slope * x0
    return intercept, slope


def naive_forecast(price: Floats, horizon: int) -> Forecasts:
    """Foretell that the price stays."""
    days = origins(price, horizon)
    return Forecasts(origins=days, values=price[days], outcomes=price[days + horizon], horizon=horizon)


def growth_forecast(price: Floats, horizon: int) -> Forecasts:
    """Foretell that ln price goes on growing at its mean rate since the first price of the grid."""
    days = origins(price, horizon)
    known = np.flatnonzero(~np.isnan(price))
    first = int(known[0]) if len(known) else 0
    rate = (price[days] - price[first]) / (days - first)
    return Forecasts(
        origins=days, values=price[days] + horizon * rate, outcomes=price[days + horizon], horizon=horizon
    )


def compare(first: Forecasts, second: Forecasts) -> Comparison:
    """Hold a forecast against another on the origins that both have.

    Raises
    ------
    ExtraMissing
        If scipy is not installed.
    """
    common, mine, theirs = np.intersect1d(first.origins, second.origins, return_indices=True)
    errors = first.values[mine] - first.outcomes[mine]
    others = second.values[theirs] - second.outcomes[theirs]
    n = len(common)
    if n < LEAST_FORECASTS:
        return Comparison(
            forecasts=n,
            rmse=nan,
            median_abs=nan,
            rmse_ratio=nan,
            median_ratio=nan,
            statistic=nan,
            p_value=nan,
        )
    rmse, other_rmse = sqrt(float(np.mean(errors**2))), sqrt(float(np.mean(others**2)))
    typical, other_typical = float(np.median(np.abs(errors))), float(np.median(np.abs(others)))
    statistic, p_value = diebold_mariano(errors**2 - others**2, overlap(first.horizon))
    return Comparison(
        forecasts=n,
        rmse=rmse,
        median_abs=typical,
        rmse_ratio=rmse / other_rmse if other_rmse > 0.0 else nan,
        median_ratio=typical / other_typical if other_typical > 0.0 else nan,
        statistic=statistic,
        p_value=p_value,
    )


def overlap(horizon: int) -> int:
    """Return how many later forecasts share part of a forecast's horizon."""
    return -(-horizon // STEP_DAYS) - 1


def diebold_mariano(difference: Floats, lags: int) -> tuple[float, float]:
    """Test that the losses of two forecasts are equal in the mean.

    Parameters
    ----------
    difference : ndarray of float64, shape (n,)
        Loss of the first less loss of the second, forecast by forecast.
    lags : int
        Forecasts that overlap: so many autocovariances count in full, none beyond.

    Returns
    -------
    statistic, p_value : float
        With the correction of Harvey, Leybourne and Newbold and Student's t of n - 1 degrees of freedom,
        two-sided. NaN where the estimated variance is not above 0.

    References
    ----------
    Diebold, F. X., and Mariano, R. S. (1995), J. Business & Economic Statistics 13, 253. Harvey, D.,
    Leybourne, S., and Newbold, P. (1997), Int. J. Forecasting 13, 281.
    """
    n = len(difference)
    if n <= lags + 1:
        return nan, nan
    centred = difference - difference.mean()
    variance = float(centred @ centred) / n
    variance += 2.0 * sum(float(centred[k:] @ centred[:-k]) / n for k in range(1, lags + 1))
    if not variance > 1e-24 * max(float(np.mean(difference**2)), 1e-300):
        return nan, nan
    steps = lags + 1
    correction = sqrt((n + 1 - 2 * steps + steps * (steps - 1) / n) / n)
    statistic = correction * float(difference.mean()) / sqrt(variance / n)
    stats: Any = import_module("scipy.stats")
    return statistic, float(2.0 * stats.t.sf(abs(statistic), n - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number, so that 5 % is the chance of one false finding among all.

    NaN counts for nothing and stays. Holm, S. (1979), Scandinavian J. Statistics 6, 65.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p == p)
    adjusted = [nan] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = largest
    return adjusted
