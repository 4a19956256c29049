"""The power law of price in days: a straight line in log-log, fitted to market prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from livetrading.blockchain.models.model import ChannelModel, Computed, Window
from livetrading.blockchain.protocol import DomainError

__all__ = ["GENESIS_DAY", "SET_A", "SET_B", "PowerLaw", "Regression", "fit"]

GENESIS_DAY: Final = 14_247
"""2009-01-03 in whole days since 1970-01-01."""
FIRST_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Regression:
    """How well least squares in logarithms went on its own window.

    Attributes
    ----------
    n : int
        Rows.
    r_squared : float
        Of log10 price; close to 1 for any two series that both grow, and so no evidence.
    residual_sd : float
        Standard deviation of the residuals, n - 2 degrees of freedom, log10.
    """

    n: int
    r_squared: float
    residual_sd: float


@dataclass(frozen=True, kw_only=True)
class PowerLaw(ChannelModel):
    """Price a power of the age in days: log10 P = a + b log10 d, d whole days since 2009-01-03 (UTC).

    Attributes
    ----------
    intercept, exponent : float
        a and b, fitted to market prices.
    fit_window : (date, date) or None
        Days of the fit; None where its author does not give them.
    regression : Regression or None
        Of a fit made here.
    """

    intercept: float
    exponent: float
    fit_window: Window | None = None
    regression: Regression | None = None
    channels: tuple[str, ...] = field(init=False, default=("day",))
    fitted: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        days = columns["day"] - float(GENESIS_DAY)
        price = 10.0 ** (self.intercept + self.exponent * np.log10(np.where(days > 0.0, days, np.nan)))
        return Computed(
            value=price,
            parts={"days": days},
            price_usd=price,
            undefined=[(days <= 0.0, "no day since 2009-01-03")],
            notes=(_window_note(self.fit_window), "errors inside the window of the fit are in-sample"),
        )


def _window_note(window: Window | None) -> str:
    if window is None:
        return "both coefficients were fitted to market prices, over days the author does not state"
    return f"both coefficients were fitted to market prices of {window[0]} to {window[1]}"


def fit(days: ArrayLike, prices: ArrayLike) -> PowerLaw:
    """A power law of one's own, by least squares of log10 price on log10 days.

    Parameters
    ----------
    days : array of int, shape (n,)
        Days since 1970-01-01, after 2009-01-03; at least three different ones.
    prices : array of float, shape (n,)
        USD/BTC, > 0.

    Returns
    -------
    PowerLaw
        Named "power-law-fit", with its window and `Regression`.

    Raises
    ------
    DomainError
        If a value is outside its range or there are too few.
    TypeError
        If `days` is not of integers.
    """
    day, price = np.asarray(days), np.asarray(prices, np.float64)
    if not np.issubdtype(day.dtype, np.integer):
        raise TypeError(f"days must be of integers, was {day.dtype}")
    if day.ndim != 1 or day.shape != price.shape:
        raise DomainError(f"days and prices must be of one length, was {day.shape} and {price.shape}")
    if len(np.unique(day)) < 3:
        raise DomainError(f"days must have at least 3 different values, was {len(np.unique(day))}")
    if day.min() <= GENESIS_DAY:
        raise DomainError(f"days must be > {GENESIS_DAY} (2009-01-03), was {day.min()}")
    bad = ~(np.isfinite(price) & (price > 0.0))
    if bad.any():
        raise DomainError(f"prices must be finite and > 0, was {price[bad][0]}")
    x, y = np.log10(day - GENESIS_DAY), np.log10(price)
    dx, dy = x - x.mean(), y - y.mean()
    exponent = float(dx @ dy / (dx @ dx))
    rest = dy - exponent * dx
    total = float(dy @ dy)
    return PowerLaw(
        name="power-law-fit",
        title="Power law, fitted here",
        source="least squares of log10 price on log10 days",
        intercept=float(y.mean() - exponent * x.mean()),
        exponent=exponent,
        fit_window=(
            FIRST_DAY + timedelta(days=int(day.min())),
            FIRST_DAY + timedelta(days=int(day.max())),
        ),
        regression=Regression(
            n=len(x),
            r_squared=1.0 - float(rest @ rest) / total if total > 0.0 else float("nan"),
            residual_sd=float(np.sqrt(rest @ rest / (len(x) - 2))),
        ),
    )


SET_A: Final = PowerLaw(
    name="power-law-a",
    title="Power law, set A",
    source="bitcoinpowerlaw.com",
    intercept=-17.0161223,
    exponent=5.8451542,
)
SET_B: Final = PowerLaw(
    name="power-law-b",
    title="Power law, set B",
    source="Santostasi, G., and Perrenod, S., bitcoinpower.law; Santostasi's own papers quote about 5.82",
    intercept=-16.493,
    exponent=5.688,
)
