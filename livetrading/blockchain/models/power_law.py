"""The power law of price in days: a straight line in log-log, fitted to market prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from livetrading.blockchain.models.model import ChannelModel, Computed, Window
from livetrading.blockchain.models.regression import (
    Regression,
    days_and_values,
    regression_of,
    window_note,
    window_of,
)
from livetrading.blockchain.protocol import DomainError

__all__ = ["GENESIS_DAY", "SET_A", "SET_B", "PowerLaw", "fit"]

GENESIS_DAY: Final = 14_247
"""2009-01-03 in whole days since 1970-01-01."""


@dataclass(frozen=True, kw_only=True)
class PowerLaw(ChannelModel):
    """Price a power of the age in days: log10 P = a + b log10 d, d whole days since 2009-01-03 (UTC).

    Attributes
    ----------
    intercept, exponent : float
        a and b, fitted to market prices.
    fit_window : (date, date) or None
        Days of the fit; None where its author does not state them.
    regression : Regression or None
        Of a fit made here, in log10.
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
            notes=(window_note(self.fit_window), "errors on days of the fit are in-sample"),
        )


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
        Named "power-law-fit", with its window and `Regression`. The published sets stay as they are.

    Raises
    ------
    DomainError
        If a value is outside its range or there are too few.
    TypeError
        If `days` is not of integers.
    """
    day, (price,) = days_and_values(days, 3, prices=prices)
    if day.min() <= GENESIS_DAY:
        raise DomainError(f"days must be > {GENESIS_DAY} (2009-01-03), was {day.min()}")
    x, y = np.log10(day - GENESIS_DAY), np.log10(price)
    dx = x - x.mean()
    exponent = float(dx @ y / (dx @ dx))
    intercept = float(y.mean() - exponent * x.mean())
    return PowerLaw(
        name="power-law-fit",
        title="Power law, fitted here",
        source="least squares of log10 price on log10 days, on the caller's prices",
        intercept=intercept,
        exponent=exponent,
        fit_window=window_of(day),
        regression=regression_of(y, y - intercept - exponent * x),
    )


SET_A: Final = PowerLaw(
    name="power-law-a",
    title="Power law, set A",
    source="bitcoinpowerlaw.com; elsewhere credited to Porkopolis Economics",
    intercept=-17.0161223,
    exponent=5.8451542,
)
SET_B: Final = PowerLaw(
    name="power-law-b",
    title="Power law, set B",
    source="Santostasi, G. and Perrenod, S., bitcoinpower.law; Santostasi's own papers quote about 5.82",
    intercept=-16.493,
    exponent=5.688,
)
