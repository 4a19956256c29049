"""How well a series of model values tracked a series of prices: errors, correlations, refits, cointegration.

Everything here takes logarithms on a grid of days, one a day without a hole in the index; a day on which a
number is not known is NaN and takes part in nothing.
"""

import warnings
from dataclasses import dataclass
from importlib import import_module
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.data.errors import ExtraMissing

__all__ = [
    "Cointegration",
    "Tracking",
    "changes",
    "check_formulas",
    "cointegration",
    "correlation",
    "least_squares",
    "median",
    "tracking",
]

Floats = NDArray[np.float64]

CHANGE_DAYS: Final = 30
RETURN_DAYS: Final = 90
LEAST: Final = 30
"""Fewest days that a statistic is computed of."""
LEAST_COINTEGRATION: Final = 250


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Errors e = ln price - ln model, and what the levels and the changes of the two have in common.

    Attributes
    ----------
    days : int
        Days with both.
    median_abs, bias : float
        Median of |e| and of e.
    corr_levels : float
        Correlation of ln price and ln model.
    median_abs_early, median_abs_late : float
        Median of |e| before the split and from it on.
    refit_intercept, refit_slope : float
        a and b of ln price = a + b ln model, by least squares on the days before the split.
    refit_late : float
        Median of the absolute errors of that refit from the split on.
    shift_late : float
        The same of a alone, b being 1: the median error before the split.
    corr_changes : float
        Correlation of overlapping changes of the two logarithms over 30 days.
    changes : int
        How many.
    slope, slope_t : float
        Of the log return over the next 90 days on e, every 90th day from the first, with a constant; t by the
        classical standard error.
    slope_points : int

    Notes
    -----
    What cannot be computed, of fewer than 30 days (5 points for the slope) or of a constant, is NaN.
    """

    days: int
    median_abs: float
    bias: float
    corr_levels: float
    median_abs_early: float
    median_abs_late: float
    refit_intercept: float
    refit_slope: float
    refit_late: float
    shift_late: float
    corr_changes: float
    changes: int
    slope: float
    slope_t: float
    slope_points: int


@dataclass(frozen=True, kw_only=True)
class Cointegration:
    """The test of Engle and Granger, whether a linear combination of two random walks stays.

    Attributes
    ----------
    statistic : float
        t of the Dickey-Fuller regression of the residuals; NaN where the test cannot be made.
    p_value : float
        MacKinnon's, of the hypothesis that they are not cointegrated.
    days : int
        Length of the longest stretch of days without a hole, of which the test was made.
    lags_max : int
        Most lags of the regression, 12 (days / 100)^(1/4) after Schwert (1989); among 0 to that many the
        Akaike criterion chooses.
    reason : str
        Why there is none; "" where there is one.
    """

    statistic: float
    p_value: float
    days: int
    lags_max: int
    reason: str


def check_formulas() -> None:
    """Raise ExtraMissing unless scipy and statsmodels are installed."""
    try:
        import_module("scipy.stats")
        import_module("statsmodels.tsa.stattools")
    except ImportError as error:
        raise ExtraMissing(
            "price evaluate needs scipy and statsmodels: pip install 'livetrading[formulas]'"
        ) from error


def median(values: Floats) -> float:
    """Median of what is not NaN; NaN of fewer than 30."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) >= LEAST else nan


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's correlation over the days on which both are known; NaN of fewer than 30 or of a constant."""
    both = ~(np.isnan(x) | np.isnan(y))
    if np.count_nonzero(both) < LEAST:
        return nan
    dx, dy = x[both] - x[both].mean(), y[both] - y[both].mean()
    scale = float(np.sqrt((dx @ dx) * (dy @ dy)))
    tiny = 1e-12 * float(np.abs(x[both]).max() * np.abs(y[both]).max()) * len(dx)
    return float(dx @ dy) / scale if scale > tiny else nan


def changes(values: Floats, days: int) -> Floats:
    """Differences to `days` days before, NaN for the first of them."""
    return np.concatenate([np.full(min(days, len(values)), nan), values[days:] - values[:-days]])


def least_squares(x: Floats, y: Floats, least: int = LEAST) -> tuple[float, float, float, int]:
    """Fit y = a + b x over the days on which both are known.

    Returns
    -------
    intercept, slope, t : float
        t of the slope by the classical standard error. NaN of fewer than `least` points or a constant x.
    points : int
    """
    both = ~(np.isnan(x) | np.isnan(y))
    n = int(np.count_nonzero(both))
    if n < least:
        return nan, nan, nan, n
    dx, dy = x[both] - x[both].mean(), y[both] - y[both].mean()
    spread = float(dx @ dx)
    if spread <= 1e-24 * n * float(np.max(np.abs(x[both]))) ** 2:
        return nan, nan, nan, n
    slope = float(dx @ dy) / spread
    rest = dy - slope * dx
    error = float(np.sqrt(rest @ rest / (n - 2) / spread))
    intercept = float(y[both].mean() - slope * x[both].mean())
    return intercept, slope, slope / error if error > 0.0 else nan, n


def tracking(price: Floats, model: Floats, split: int) -> Tracking:
    """Hold a model against prices.

    Parameters
    ----------
    price, model : ndarray of float64, shape (days,)
        Logarithms of what is compared; NaN where not known.
    split : int
        Index of the first day of the later part.

    Returns
    -------
    Tracking
    """
    error = price - model
    early, late = slice(None, split), slice(split, None)
    intercept, slope, _, _ = least_squares(model[early], price[early])
    refit = price[late] - intercept - slope * model[late]
    ahead = np.concatenate([price[RETURN_DAYS:] - price[:-RETURN_DAYS], np.full(RETURN_DAYS, nan)])
    ahead = ahead[: len(price)]
    _, beta, t, points = least_squares(error[::RETURN_DAYS], ahead[::RETURN_DAYS], least=5)
    moved, model_moved = changes(price, CHANGE_DAYS), changes(model, CHANGE_DAYS)
    return Tracking(
        days=int(np.count_nonzero(~np.isnan(error))),
        median_abs=median(np.abs(error)),
        bias=median(error),
        corr_levels=correlation(price, model),
        median_abs_early=median(np.abs(error[early])),
        median_abs_late=median(np.abs(error[late])),
        refit_intercept=intercept,
        refit_slope=slope,
        refit_late=median(np.abs(refit)),
        shift_late=median(np.abs(error[late] - median(error[early]))),
        corr_changes=correlation(moved, model_moved),
        changes=int(np.count_nonzero(~np.isnan(moved - model_moved))),
        slope=beta,
        slope_t=t,
        slope_points=points,
    )


def cointegration(price: Floats, model: Floats) -> Cointegration:
    """Test whether two logarithms are cointegrated, with a constant and without a trend.

    Parameters
    ----------
    price, model : ndarray of float64, shape (days,)
        NaN where not known.

    Returns
    -------
    Cointegration

    Raises
    ------
    ExtraMissing
        If statsmodels is not installed.

    References
    ----------
    Engle, R. F., and Granger, C. W. J. (1987), Econometrica 55, 251. MacKinnon, J. G. (2010), Queen's
    Economics Department Working Paper 1227. Schwert, G. W. (1989), J. Business & Economic Statistics 7, 147.
    """
    check_formulas()
    start, end = _longest_stretch(~(np.isnan(price) | np.isnan(model)))
    n = end - start
    lags = int(np.ceil(12.0 * (n / 100.0) ** 0.25)) if n else 0
    reason = ""
    if n < LEAST_COINTEGRATION:
        reason = f"fewer than {LEAST_COINTEGRATION} days without a hole"
    elif np.ptp(model[start:end]) < 1e-9 or np.ptp(price[start:end]) < 1e-9:
        reason = "a constant"
    if reason:
        return Cointegration(statistic=nan, p_value=nan, days=n, lags_max=lags, reason=reason)
    stattools: Any = import_module("statsmodels.tsa.stattools")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # collinear to the rounding: told by the infinite statistic
        statistic, p_value, _ = stattools.coint(
            price[start:end], model[start:end], trend="c", method="aeg", maxlag=lags, autolag="aic"
        )
    if not np.isfinite(statistic):
        reason = "the model equals the price but for a factor"
        return Cointegration(statistic=nan, p_value=nan, days=n, lags_max=lags, reason=reason)
    return Cointegration(statistic=float(statistic), p_value=float(p_value), days=n, lags_max=lags, reason="")


def _longest_stretch(known: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and end (excluded) of the longest run of days that are known, the first of equals."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])
