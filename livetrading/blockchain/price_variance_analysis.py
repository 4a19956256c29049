"""Breakdown of a quoted price about a reference price: an identity that adds up, not a theory.

The coefficients `IMBALANCE` and `LATENCY` are conventions, estimated from nothing. What recorded ticks say in
their place is for `breakdown_fit` to tell, with standard errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.protocol import DomainError
from livetrading.core.variates import normals

__all__ = [
    "IMBALANCE",
    "LATENCY",
    "LATENCY_STREAM",
    "TERMS",
    "Breakdown",
    "VarianceShares",
    "latency_noise",
    "price_breakdown",
    "variance_shares",
]

Array = NDArray[np.float64]

IMBALANCE: Final = 0.001
"""Share of the reference price that a one-sided book adds, by convention."""
LATENCY: Final = 0.0002
"""Standard deviation of the latency term as a share of the reference price, by convention."""
LATENCY_STREAM: Final = 11
"""The generator's stream of latency terms."""
TERMS: Final = ("imbalance", "half_spread", "volume_impact", "time_preference", "latency")


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A quoted price in parts, in USD/BTC, each of the common shape of the arguments.

    Attributes
    ----------
    reference : ndarray
    imbalance, half_spread, volume_impact, time_preference, latency : ndarray
        The parts; volume_impact is NaN where no size is quoted.
    quoted : ndarray
        The reference and the sum of the parts.
    """

    reference: Array
    imbalance: Array
    half_spread: Array
    volume_impact: Array
    time_preference: Array
    latency: Array
    quoted: Array

    @property
    def terms(self) -> dict[str, Array]:
        """The parts by name, in the order in which they are added."""
        return {name: getattr(self, name) for name in TERMS}


@dataclass(frozen=True, slots=True)
class VarianceShares:
    """The variance of a sum, split over its terms by their covariances with the sum.

    Attributes
    ----------
    variance : float
        Of the sum, population form, in the square of the terms' unit.
    covariance : mapping of str to float
        Of each term with the sum; they add up to `variance`. Negative where a term works against the rest.
    share : mapping of str to float
        Covariance over variance; they add up to 1. NaN where the sum does not vary.
    """

    variance: float
    covariance: Mapping[str, float]
    share: Mapping[str, float]


def price_breakdown(
    reference: ArrayLike,
    bid_size: ArrayLike,
    ask_size: ArrayLike,
    spread: ArrayLike,
    volume: ArrayLike,
    urgency: ArrayLike,
    fill_probability: ArrayLike,
    latency: ArrayLike = 0.0,
) -> Breakdown:
    """Add a quoted price up from its conventional parts; the arguments are broadcast.

    Parameters
    ----------
    reference : array_like of float
        Reference price V, USD/BTC, > 0.
    bid_size, ask_size : array_like of float
        b and a, BTC, >= 0.
    spread : array_like of float
        s, USD/BTC, >= 0.
    volume : array_like of float
        Own volume q, BTC, >= 0.
    urgency : array_like of float
        w, dimensionless, >= 0.
    fill_probability : array_like of float
        f, 0 to 1.
    latency : array_like of float
        USD/BTC, of either sign; see `latency_noise`.

    Returns
    -------
    Breakdown

    Raises
    ------
    DomainError
        If an argument is not finite or outside its range, or the shapes do not fit.

    Notes
    -----
    ::

        imbalance       0.001 V (b - a) / (b + a)
        half spread     s / 2
        volume impact   s sqrt(q) / sqrt(a + b)
        time preference w s (1 - f)

    Without any quoted size imbalance is 0 and volume impact, and with it the quoted price, NaN.

    Examples
    --------
    >>> float(price_breakdown(60_000, 12, 8, 30, 1, 0.5, 0.9).quoted.round(6))
    60035.208204
    """
    named = {
        "reference": (reference, 0.0, True),
        "bid_size": (bid_size, 0.0, False),
        "ask_size": (ask_size, 0.0, False),
        "spread": (spread, 0.0, False),
        "volume": (volume, 0.0, False),
        "urgency": (urgency, 0.0, False),
        "fill_probability": (fill_probability, 0.0, False),
        "latency": (latency, -np.inf, False),
    }
    arrays = [_checked(name, *rule) for name, rule in named.items()]
    _require(arrays[6] <= 1.0, "fill_probability must be from 0 to 1", arrays[6])
    try:
        v, b, a, s, q, w, f, late = np.broadcast_arrays(*arrays)
    except ValueError as error:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise DomainError(f"the arguments must have shapes that fit, was {shapes}") from error
    depth = a + b
    some = np.where(depth > 0.0, depth, np.nan)
    imbalance = np.where(depth > 0.0, IMBALANCE * v * (b - a) / some, 0.0)
    half, impact, patience = s / 2.0, s / np.sqrt(some) * np.sqrt(q), w * s * (1.0 - f)
    total = imbalance + half + impact + patience + late  # before the reference, which would take their digits
    return Breakdown(
        reference=np.array(v),
        imbalance=np.asarray(imbalance),
        half_spread=np.asarray(half),
        volume_impact=np.asarray(impact),
        time_preference=np.asarray(patience),
        latency=np.array(late),
        quoted=np.asarray(v + total),
    )


def latency_noise(reference: ArrayLike, seed: int, index: int = 0) -> Array:
    """Draw latency terms: independent normal ones with a standard deviation of 0.0002 of the reference.

    Parameters
    ----------
    reference : array_like of float, shape (n,)
        USD/BTC, > 0.
    seed : int
        0 to 2^64 - 1.
    index : int
        Number of the first draw, >= 0: pieces drawn by their index are the pieces of one row.

    Returns
    -------
    ndarray of float64, shape (n,)
        USD/BTC.

    Raises
    ------
    DomainError
        If an argument is outside its range.
    """
    v = np.atleast_1d(_checked("reference", reference, 0.0, True))
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 1 << 64:
            raise DomainError(f"{name} must be from 0 to 2^64 - 1, was {value}")
    return LATENCY * v * normals(seed, LATENCY_STREAM, index, len(v))[:, 0]


def variance_shares(terms: Mapping[str, ArrayLike]) -> VarianceShares:
    """Split the variance of the sum of terms over them.

    Parameters
    ----------
    terms : mapping of str to array_like of float, shape (n,)
        What is added, row by row; n at least 1.

    Returns
    -------
    VarianceShares

    Raises
    ------
    DomainError
        If there is no term or no row, shapes differ, or a number is not finite.

    Notes
    -----
    var(sum) = sum over the terms of cov(term, sum), whatever their correlations. It is an identity: a share
    says how much of the movement goes along with a term, not what causes it.
    """
    if not terms:
        raise DomainError("terms must be one or more, was none")
    rows = {name: np.asarray(term, np.float64) for name, term in terms.items()}
    first = next(iter(rows.values()))
    for name, row in rows.items():
        if row.ndim != 1 or row.shape != first.shape or len(row) == 0:
            raise DomainError(f"terms must be rows of equal length, at least 1, was {row.shape} of {name}")
        _require(np.isfinite(row), f"the term {name} must be finite", row)
    deviations = {name: row - row.mean() for name, row in rows.items()}
    whole = sum(deviations.values(), np.zeros(len(first)))
    covariance = {name: float(np.mean(row * whole)) for name, row in deviations.items()}
    variance = sum(covariance.values())
    # What rounding leaves of constant terms is no variation.
    floor = sum((1e-14 * float(np.abs(row).max())) ** 2 for row in rows.values())
    moving = variance > floor
    share = {name: part / variance if moving else float("nan") for name, part in covariance.items()}
    return VarianceShares(variance, MappingProxyType(covariance), MappingProxyType(share))


def _checked(name: str, value: ArrayLike, low: float, above: bool) -> Array:
    array = np.asarray(value, np.float64)
    rule = f"{name} must be finite" + ("" if not isfinite(low) else f" and {'>' if above else '>='} {low:g}")
    _require(np.isfinite(array) & ((array > low) if above else (array >= low)), rule, array)
    return array


def _require(ok: NDArray[np.bool_], rule: str, value: Array) -> None:
    bad = np.flatnonzero(~np.atleast_1d(ok))
    if len(bad):
        raise DomainError(f"{rule}, was {np.atleast_1d(value).ravel()[bad[0]]}")
