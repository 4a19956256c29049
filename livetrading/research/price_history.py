"""Models day by day beside the market, each with the band that its own past errors give it."""

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.mathematical_price import ENERGY_COST_USD_KWH
from livetrading.blockchain.protocol import BLOCKS_PER_HALVING
from livetrading.blockchain.valuation import MODELS, Model, model
from livetrading.data.chain_history import ChainHistory, Gap, date_of
from livetrading.data.errors import DataError

__all__ = [
    "BAND",
    "NO_PRICE",
    "PRICED",
    "Halving",
    "PriceHistory",
    "Track",
    "expanding_band",
    "price_history",
]

Floats = NDArray[np.float64]
Halving = tuple[int, int]
"""Day, and the height that halved the subsidy on it."""

BAND: Final = (0.1, 0.9)
BAND_DAYS: Final = 365
"""Errors that a band is made of at least."""
PRICED: Final = ("price", "cap")
"""Kinds of models that are a price, or a market cap, which is one per coin."""
NO_PRICE: Final = "the answer is no price"


@dataclass(frozen=True, kw_only=True)
class Track:
    """A model over the days.

    Attributes
    ----------
    model, title, source : str
    prices_inside, fitted : bool
        Reads market prices; has coefficients fitted to them.
    price : ndarray of float64, shape (n,)
        USD/BTC, NaN where the model has none.
    low, high : ndarray of float64, shape (n,)
        The model times the exponential of the 10 % and the 90 % quantile of the errors ln price - ln model of
        the days before, of which there are 365 at least; NaN where there are fewer or no market.
    judged, inside : int
        Days with a price and a band, and those of them on which the price lay in the band; 80 % would, were
        the errors of every day like those before it.
    """

    model: str
    title: str
    source: str
    prices_inside: bool
    fitted: bool
    price: Floats
    low: Floats
    high: Floats
    judged: int
    inside: int


@dataclass(frozen=True, kw_only=True)
class PriceHistory:
    """Market and models on the same days.

    Attributes
    ----------
    path : str or None
        The file; None where there is no market.
    days, heights : ndarray of int64, shape (n,)
        Days since 1970-01-01, and the height at their end.
    market : ndarray of float64, shape (n,)
        USD/BTC; NaN on days without a price.
    tracks : tuple of Track
    halvings : tuple of (int, int)
        Day and height of each.
    gaps : tuple of (date, date)
    unavailable : mapping of str to str
        Models without a price on any of the days, and why.
    notes : tuple of str
    """

    path: str | None
    days: NDArray[np.int64]
    heights: NDArray[np.int64]
    market: Floats
    tracks: tuple[Track, ...]
    halvings: tuple[Halving, ...]
    gaps: tuple[Gap, ...]
    unavailable: Mapping[str, str]
    notes: tuple[str, ...]


def price_history(
    history: ChainHistory,
    names: Sequence[str] = (),
    *,
    first: date | None = None,
    last: date | None = None,
) -> PriceHistory:
    """Value every day of a history by models that give a price.

    Parameters
    ----------
    history : ChainHistory
        Of a file, or `embedded_history`.
    names : sequence of str
        Models by their names in the registry; all that give a price unless given.
    first, last : date, optional
        Days to show, both included; without them from the first price to the last row. Bands know the errors
        of earlier days, too.

    Returns
    -------
    PriceHistory

    Raises
    ------
    DataError
        If no row is within the days, or no model has a price on any.
    DomainError
        If no model has one of the names.
    """
    chosen: Mapping[str, Model] = {name: model(name) for name in names} if names else MODELS
    columns: dict[str, Any] = {"energy_cost": ENERGY_COST_USD_KWH, **history.columns}
    days = history.columns["day"]
    market = columns.get("price_usd", np.full(len(days), nan))
    if first is None and "price_usd" in columns:
        first = date_of(days[np.flatnonzero(~np.isnan(market))[0]])
    part = history.between(first, last)
    shown = np.isin(days, part.columns["day"])
    tracks, unavailable = [], {}
    for name, one in chosen.items():
        found = one.value(columns)
        value = np.broadcast_to(found.price_usd, days.shape)
        if np.isnan(value[shown]).all():
            reasons = sorted({str(text) for text in np.ravel(found.reason)} - {""})
            unavailable[name] = "; ".join(reasons) if one.kind in PRICED else NO_PRICE
        else:
            tracks.append(_track(one, market, value, shown))
    if not tracks:
        said = "; ".join(f"{name}: {why}" for name, why in unavailable.items())
        raise DataError(f"a model must give a price on one of the days at least, was none ({said})")
    return PriceHistory(
        path=None if history.path is None else str(history.path),
        days=days[shown],
        heights=history.columns["height"][shown],
        market=market[shown],
        tracks=tuple(tracks),
        halvings=_halvings(days[shown], history.columns["height"][shown]),
        gaps=part.gaps,
        unavailable=unavailable,
        notes=history.notes,
    )


def _track(one: Model, market: Floats, value: Floats, shown: NDArray[np.bool_]) -> Track:
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.log(market) - np.log(value)
    lows, highs = expanding_band(error)
    low, high = (value * np.exp(lows))[shown], (value * np.exp(highs))[shown]
    price = market[shown]
    judged = ~np.isnan(price + low)
    return Track(
        model=one.name,
        title=one.title,
        source=one.source,
        prices_inside=one.prices_inside,
        fitted=one.fitted,
        price=value[shown],
        low=low,
        high=high,
        judged=int(np.count_nonzero(judged)),
        inside=int(np.count_nonzero(judged & (price >= low) & (price <= high))),
    )


def expanding_band(error: Floats) -> tuple[Floats, Floats]:
    """Return the 10 % and 90 % quantiles of the errors of the days before each day.

    Parameters
    ----------
    error : ndarray of float64, shape (n,)
        What is not finite counts for nothing.

    Returns
    -------
    low, high : ndarray of float64, shape (n,)
        Linear between order statistics; NaN while there are fewer than 365 errors.
    """
    seen: list[float] = []
    bands = np.full((2, len(error)), nan)
    for day, value in enumerate(error):
        if len(seen) >= BAND_DAYS:
            bands[:, day] = [_quantile(seen, share) for share in BAND]
        if np.isfinite(value):
            insort(seen, float(value))
    return bands[0], bands[1]


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _halvings(days: NDArray[np.int64], heights: NDArray[np.int64]) -> tuple[Halving, ...]:
    """Find the days within which the subsidy halved, as far as the rows tell the day."""
    found = []
    first, last = int(heights[0]) // BLOCKS_PER_HALVING, int(heights[-1]) // BLOCKS_PER_HALVING
    for k in range(first + 1, last + 1):
        row = int(np.searchsorted(heights, k * BLOCKS_PER_HALVING))
        found.append((int(days[row]), k * BLOCKS_PER_HALVING))
    return tuple(found)
