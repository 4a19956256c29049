"""Coefficients of the price breakdown from recorded trades, by least squares, with standard errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.price_variance_analysis import (
    IMBALANCE,
    LATENCY,
    VarianceShares,
    variance_shares,
)
from livetrading.blockchain.protocol import DomainError
from livetrading.core.dtypes import TICK, TickFlag

__all__ = ["BreakdownFit", "Coefficient", "fit_breakdown", "fit_ticks"]

Array = NDArray[np.float64]

FITTED: Final = ("imbalance", "half_spread", "volume_impact")
CONVENTION: Final = MappingProxyType({"imbalance": IMBALANCE, "half_spread": 1.0, "volume_impact": 1.0})
COLLINEAR: Final = 1e-8
"""Least singular value, of columns of length 1, at which terms count as different."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An estimate beside the convention it is an estimate of.

    Attributes
    ----------
    estimate, standard_error : float
        Dimensionless.
    convention : float
    t_zero, t_convention : float
        Distance of the estimate from 0 and from the convention, in standard errors; NaN where that is 0.
    """

    estimate: float
    standard_error: float
    convention: float

    @property
    def t_zero(self) -> float:
        return self._distance(0.0)

    @property
    def t_convention(self) -> float:
        return self._distance(self.convention)

    def _distance(self, value: float) -> float:
        return (self.estimate - value) / self.standard_error if self.standard_error > 0.0 else float("nan")


@dataclass(frozen=True, slots=True)
class BreakdownFit:
    """Breakdown fitted to recorded trades.

    Attributes
    ----------
    coefficients : mapping of str to Coefficient
        ``imbalance``, ``half_spread``, ``volume_impact``, and ``latency``: the root mean square of what is
        left over, as a share of the reference price.
    shares : VarianceShares
        Of trade price minus mid over mid, by fitted term and ``residual``; dimensionless.
    shares_by_convention : VarianceShares
        The same with the coefficients of the convention.
    r_squared : float
        1 - sum of squared residuals over sum of squares, not centred; NaN where every trade is at the mid.
    trades : int
        Trades used.
    left_out : mapping of str to int
        Trades left out, by the first reason that applies.
    lags : int
        Of the autocovariances in the standard errors, in trades; 0 gives White's.
    notes : tuple of str
        How to read it.
    """

    coefficients: Mapping[str, Coefficient]
    shares: VarianceShares
    shares_by_convention: VarianceShares
    r_squared: float
    trades: int
    left_out: Mapping[str, int]
    lags: int
    notes: tuple[str, ...]


NOTES: Final = (
    "The coefficients 0.001 (imbalance) and 0.0002 (latency) are conventions, not estimates; those beside "
    "them are the least-squares estimates from these trades.",
    "The reference is the mid of the quote that stands at a trade. In recordings many trades print through a "
    "quote that has not been updated yet, so that the residual holds staleness of the quote too: it is what "
    "the model leaves over, not a measured latency.",
    "Time preference cannot be fitted: urgency and fill probability are not recorded, and their term moves "
    "with the half spread, which takes it up.",
    "An estimate describes this recording, not a cause, and minutes of one day say nothing of another.",
)


def fit_breakdown(
    trades: NDArray[np.void], quotes: NDArray[np.void], *, lags: int | None = None
) -> BreakdownFit:
    """Estimate the coefficients of the breakdown from recorded trades and quotes.

    Parameters
    ----------
    trades : structured array, shape (n,)
        Fields ts, price (USD/BTC), volume (BTC), side (+1 or -1); in order of ts.
    quotes : structured array, shape (m,)
        Fields ts, bid, ask, bid_size, ask_size; in order of ts. `TICK` has the fields of both.
    lags : int, optional
        As in `fit_ticks`.

    Returns
    -------
    BreakdownFit
        A trade meets the last quote at or before its time.

    Raises
    ------
    DomainError
        If a field is missing, times go backwards, or as `fit_ticks`.
    """
    _check_fields("trades", trades, ("ts", "price", "volume", "side"))
    _check_fields("quotes", quotes, ("ts", "bid", "ask", "bid_size", "ask_size"))
    at = np.searchsorted(quotes["ts"], trades["ts"], side="right") - 1
    ticks = np.zeros(len(trades), TICK)
    for name in ("ts", "price", "volume", "side"):
        ticks[name] = trades[name]
    for name in ("bid", "ask", "bid_size", "ask_size"):
        ticks[name] = np.where(at >= 0, quotes[name][at], np.nan) if len(quotes) else np.nan
    ticks["flags"] = TickFlag.TRADE
    return fit_ticks(ticks, lags=lags)


def fit_ticks(ticks: NDArray[np.void], *, lags: int | None = None) -> BreakdownFit:
    """Estimate the coefficients of the breakdown from ticks that carry trades with their standing quote.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n,)
        In order of time. Rows without flag 2 are no trades and pass by.
    lags : int, optional
        Of the Newey-West standard errors, in trades, 0 to n - 1; floor(4 (n/100)^(2/9)) unless given.

    Returns
    -------
    BreakdownFit

    Raises
    ------
    DomainError
        If fewer than 4 trades can be used, the terms cannot be told apart, or `lags` is outside its range.

    Notes
    -----
    With d the side (+1 bought), V the mid, s the spread, b and a the sizes and q the volume, ordinary least
    squares without a constant on::

        (price - V)/V = c1 (b - a)/(b + a) + c2 d s/(2V) + c3 d s sqrt(q)/(V sqrt(a + b)) + u

    The breakdown's signs are those of a purchase; a sale pays half spread and impact downwards. By convention
    c1 is 0.001, c2 and c3 are 1, and the sd of u is 0.0002. Standard errors allow for unequal variances and
    for autocorrelation up to `lags` trades (Bartlett weights), times n/(n - 3); that of sd(u), taken as
    sqrt(mean u^2), follows from the mean of u^2 by the delta method.

    References
    ----------
    White, H. (1980), A heteroskedasticity-consistent covariance matrix estimator.
    Newey, W. K. and West, K. D. (1987), A simple, positive semi-definite, heteroskedasticity and
    autocorrelation consistent covariance matrix.
    """
    used, left_out = _usable(ticks)
    n = len(used)
    if n < len(FITTED) + 1:
        gone = ", ".join(f"{name} {count}" for name, count in left_out.items() if count) or "none left out"
        raise DomainError(f"a fit must have at least {len(FITTED) + 1} trades to use, was {n} ({gone})")
    lags = int(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    if not 0 <= lags < n:
        raise DomainError(f"lags must be from 0 to {n - 1}, was {lags}")
    x, y = _regression(used)
    estimate, errors = _least_squares(x, y, lags)
    u = y - x @ estimate
    sd = sqrt(float(np.mean(u * u)))
    found = {
        name: Coefficient(float(value), float(error), CONVENTION[name])
        for name, value, error in zip(FITTED, estimate, errors, strict=True)
    }
    found["latency"] = Coefficient(sd, _error_of_sd(u, sd, lags), LATENCY)
    square = float(y @ y)
    return BreakdownFit(
        coefficients=MappingProxyType(found),
        shares=_shares(x, y, estimate),
        shares_by_convention=_shares(x, y, np.array([CONVENTION[name] for name in FITTED])),
        r_squared=1.0 - float(u @ u) / square if square > 0.0 else float("nan"),
        trades=n,
        left_out=MappingProxyType(left_out),
        lags=lags,
        notes=NOTES,
    )


def _usable(ticks: NDArray[np.void]) -> tuple[NDArray[np.void], dict[str, int]]:
    """Trades that the regression can take, and how many it cannot, by the first reason that applies."""
    _check_fields("ticks", ticks, TICK.names or ())
    rows = ticks[(ticks["flags"] & TickFlag.TRADE) != 0]
    bid, ask = rows["bid"], rows["ask"]
    depth = rows["bid_size"] + rows["ask_size"]
    sizes = (rows["bid_size"] >= 0.0) & (rows["ask_size"] >= 0.0) & (depth > 0.0) & np.isfinite(depth)
    known = np.isfinite(bid) & np.isfinite(ask) & (bid > 0.0) & ((rows["flags"] & TickFlag.NO_QUOTE) == 0)
    price = np.isfinite(rows["price"]) & (rows["price"] > 0.0)
    volume = np.isfinite(rows["volume"]) & (rows["volume"] > 0.0)
    rules = {
        "no quote": known,
        "crossed quote": bid <= ask,
        "sizes unknown": sizes,
        "bad price or volume": price & volume,
        "side unknown": np.abs(rows["side"]) == 1,
    }
    good, left_out = np.ones(len(rows), bool), {}
    for name, kept in rules.items():
        left_out[name] = int(np.count_nonzero(good & ~kept))
        good &= kept
    return rows[good], left_out


def _regression(rows: NDArray[np.void]) -> tuple[Array, Array]:
    """Terms at a coefficient of 1, one column each, and what they are to explain."""
    bid, ask, side = rows["bid"], rows["ask"], rows["side"].astype(np.float64)
    mid, depth = (bid + ask) / 2.0, rows["bid_size"] + rows["ask_size"]
    half = side * (ask - bid) / (2.0 * mid)
    columns = (
        (rows["bid_size"] - rows["ask_size"]) / depth,
        half,
        2.0 * half * np.sqrt(rows["volume"] / depth),
    )
    return np.column_stack(columns), (rows["price"] - mid) / mid


def _least_squares(x: Array, y: Array, lags: int) -> tuple[Array, Array]:
    """Estimates and their Newey-West standard errors."""
    length = np.sqrt(np.sum(x * x, axis=0))
    unit = x / np.where(length > 0.0, length, 1.0)  # columns differ by orders of magnitude
    singular = np.linalg.svd(unit, compute_uv=False)
    rank = int(np.count_nonzero(singular > COLLINEAR))
    if rank < x.shape[1]:
        raise DomainError(f"the terms {', '.join(FITTED)} must be linearly independent, was of rank {rank}")
    bread = np.linalg.inv(unit.T @ unit)
    scaled = bread @ (unit.T @ y)
    meat = _long_run(unit * (y - unit @ scaled)[:, None], lags)
    n, k = x.shape
    covariance = bread @ meat @ bread * (n / (n - k))
    return scaled / length, np.sqrt(np.maximum(np.diag(covariance), 0.0)) / length


def _long_run(scores: Array, lags: int) -> Array:
    """Sum of autocovariances of the scores up to a lag, with Bartlett weights (not divided by n)."""
    total = scores.T @ scores
    for lag in range(1, lags + 1):
        product = scores[lag:].T @ scores[:-lag]
        total += (1.0 - lag / (lags + 1)) * (product + product.T)
    return np.asarray(total)


def _error_of_sd(u: Array, sd: float, lags: int) -> float:
    if sd == 0.0:
        return 0.0
    squares = u * u
    variance = _long_run((squares - squares.mean())[:, None], lags)[0, 0] / len(u) ** 2
    return sqrt(max(0.0, float(variance))) / (2.0 * sd)


def _shares(x: Array, y: Array, coefficients: Array) -> VarianceShares:
    terms = {name: x[:, i] * coefficients[i] for i, name in enumerate(FITTED)}
    return variance_shares({**terms, "residual": y - x @ coefficients})


def _check_fields(name: str, rows: NDArray[np.void], fields: tuple[str, ...]) -> None:
    given = rows.dtype.names or ()
    lacking = [field for field in fields if field not in given]
    if lacking or rows.ndim != 1:
        raise DomainError(
            f"{name} must be a row of records with {', '.join(fields)}, was of shape {rows.shape} without "
            f"{', '.join(lacking) or 'nothing'}"
        )
    back = np.flatnonzero(rows["ts"][1:] < rows["ts"][:-1])
    if len(back):
        raise DomainError(
            f"ts of {name} must not go backwards, was {rows['ts'][back[0] + 1]} at {back[0] + 1}"
        )
