"""What a fit to prices says of itself: its window and how well it went there."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import nan, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.models.model import Floats, Window
from livetrading.blockchain.protocol import DomainError

__all__ = ["Regression", "days_and_values", "regression_of", "window_note", "window_of"]

FIRST_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Regression:
    """How well least squares in logarithms went on its own window.

    Attributes
    ----------
    n : int
        Rows.
    r_squared : float
        Share of the variance of the logarithm; close to 1 for any two series that both grow, and so no
        evidence. NaN where the logarithm does not vary.
    residual_sd : float
        Root of their mean square (over n, no degrees of freedom off), in the logarithm of the fit.
    """

    n: int
    r_squared: float
    residual_sd: float


def regression_of(log_value: Floats, residual: Floats) -> Regression:
    """Quality of a fit from what was fitted and what was left."""
    squares = float(residual @ residual)
    spread = log_value - log_value.mean()
    total = float(spread @ spread)
    return Regression(
        n=len(residual),
        r_squared=1.0 - squares / total if total > 0.0 else nan,
        residual_sd=sqrt(squares / len(residual)),
    )


def days_and_values(
    days: ArrayLike, least: int, **values: ArrayLike
) -> tuple[NDArray[np.int64], list[Floats]]:
    """Days and positive values of one length, at least `least` different days; else `DomainError`."""
    day = np.asarray(days)
    if not np.issubdtype(day.dtype, np.integer):
        raise TypeError(f"days must be of integers, was {day.dtype}")
    arrays = []
    for name, given in values.items():
        array = np.asarray(given, np.float64)
        if day.ndim != 1 or day.shape != array.shape:
            raise DomainError(f"days and {name} must be of one length, was {day.shape} and {array.shape}")
        bad = ~(np.isfinite(array) & (array > 0.0))
        if bad.any():
            raise DomainError(f"{name} must be finite and > 0, was {array[bad][0]}")
        arrays.append(array)
    if len(np.unique(day)) < least:
        raise DomainError(f"days must have at least {least} different values, was {len(np.unique(day))}")
    return day, arrays


def window_of(days: NDArray[np.int64]) -> Window:
    """First and last of days since 1970-01-01, as dates."""
    return FIRST_DAY + timedelta(days=int(days.min())), FIRST_DAY + timedelta(days=int(days.max()))


def window_note(window: Window | None) -> str:
    """In words, what a coefficient was fitted to."""
    if window is None:
        return "its coefficients were fitted to market prices, over days its author does not state"
    return f"its coefficients were fitted to market prices of {window[0]} to {window[1]}"
