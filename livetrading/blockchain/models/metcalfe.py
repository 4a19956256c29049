"""Metcalfe: value a power of the addresses that were active in a day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from livetrading.blockchain.models.model import ChannelModel, Computed, Kind, Window
from livetrading.blockchain.models.regression import (
    Regression,
    days_and_values,
    regression_of,
    window_note,
    window_of,
)

__all__ = ["METCALFE", "Metcalfe", "fit"]

PLAIN: Final = 2.0
"""Metcalfe's own exponent: pairs of users."""


@dataclass(frozen=True, kw_only=True)
class Metcalfe(ChannelModel):
    """Market cap exp(a) * n^b, n the addresses active in a day.

    Attributes
    ----------
    intercept, exponent : float
        a and b; in the plain law b is 2 and exp(a) is Metcalfe's K.
    fit_window : (date, date) or None
        Days of the fit; None where they are not known.
    regression : Regression or None
        Of a fit made here, in natural logarithms.
    """

    intercept: float
    exponent: float
    fit_window: Window | None = None
    regression: Regression | None = None
    unit: str = field(init=False, default="USD")
    kind: Kind = field(init=False, default="cap")
    channels: tuple[str, ...] = field(init=False, default=("active_addresses",))
    optional: tuple[str, ...] = field(init=False, default=("supply_btc",))
    fitted: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        users = columns["active_addresses"]
        cap = np.exp(self.intercept + self.exponent * np.log(np.where(users > 0.0, users, np.nan)))
        return Computed(
            value=cap,
            parts={"active_addresses": users},
            price_usd=cap / columns["supply_btc"],
            undefined=[(users == 0.0, "no active address")],
            notes=(
                window_note(self.fit_window),
                "an address is no user, and active addresses stopped growing while the cap did not",
            ),
        )


def fit(days: ArrayLike, active_addresses: ArrayLike, market_caps: ArrayLike) -> Metcalfe:
    """Plain Metcalfe, cap = K n^2, with K by least squares of the logarithms.

    Parameters
    ----------
    days : array of int, shape (n,)
        Days since 1970-01-01, at least two different ones.
    active_addresses, market_caps : array of float, shape (n,)
        Addresses a day and USD, > 0.

    Returns
    -------
    Metcalfe
        Named "metcalfe-fit", with its window and `Regression`; ln K is its intercept.

    Raises
    ------
    DomainError
        If a value is outside its range or there are too few.
    TypeError
        If `days` is not of integers.
    """
    day, (users, caps) = days_and_values(days, 2, active_addresses=active_addresses, market_caps=market_caps)
    log_ratio = np.log(caps) - PLAIN * np.log(users)
    return Metcalfe(
        name="metcalfe-fit",
        title="Metcalfe, K fitted here",
        source="Metcalfe, B. (2013), Metcalfe's law after 40 years of Ethernet, Computer 46(12); K on the "
        "caller's market caps",
        intercept=float(log_ratio.mean()),
        exponent=PLAIN,
        fit_window=window_of(day),
        regression=regression_of(np.log(caps), log_ratio - log_ratio.mean()),
    )


METCALFE: Final = Metcalfe(
    name="metcalfe",
    title="Metcalfe, generalised",
    source="Wheatley, S. et al. (2019), Are Bitcoin bubbles predictable?, R. Soc. Open Sci. 6:180538 "
    "(arXiv:1803.05663); the coefficients as public code cites them from it, not checked in the paper",
    intercept=1.51,
    exponent=1.69,
)
