"""A price history as a table of text, in words, and as a tree for JSON."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np

from livetrading.data.chain_history import date_of
from livetrading.research.price_history import BAND, BAND_DAYS, PriceHistory, Track

__all__ = [
    "amount",
    "by_reason",
    "history_notes",
    "history_rows",
    "history_title",
    "history_tree",
    "year_ends",
]


def history_title(found: PriceHistory) -> str:
    """Say what is shown."""
    what = (
        "Models beside the market" if found.path is not None else "Models from the facts of the chain alone"
    )
    return f"{what}, {date_of(found.days[0])} to {date_of(found.days[-1])}, USD/BTC"


def year_ends(found: PriceHistory) -> list[int]:
    """Return the positions of the last row of every year, and so of the last row."""
    years = [date_of(day).year for day in found.days]
    return [i for i in range(len(years)) if i + 1 == len(years) or years[i + 1] != years[i]]


def amount(value: float) -> str:
    """Write an amount of USD in whole dollars, a small one to four digits; "-" where there is none."""
    if isnan(value):
        return "-"
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.4g}"


def history_rows(found: PriceHistory, tracks: Sequence[Track]) -> list[tuple[str, ...]]:
    """Return the ends of the years as text, headings first: day, height, market, some of the models."""
    market = found.path is not None
    rows = [("day", "height", *(("market",) if market else ()), *(track.model for track in tracks))]
    for at in year_ends(found):
        own = (amount(found.market[at]),) if market else ()
        cells = (amount(track.price[at]) for track in tracks)
        rows.append((str(date_of(found.days[at])), f"{found.heights[at]:,}", *own, *cells))
    return rows


def history_notes(found: PriceHistory) -> list[str]:
    """Say what the bands are, how often the market was within them, and what is missing."""
    notes = list(found.notes)
    judged = [track for track in found.tracks if track.judged]
    if judged:
        shares = ", ".join(f"{track.model} {track.inside / track.judged:.0%}" for track in judged)
        low, high = (f"{share:.0%}" for share in BAND)
        notes.append(
            f"A band is the model times the {low} and {high} quantiles of its errors on the days before, "
            f"{BAND_DAYS} at least: no look-ahead in the errors. The market was within it on these shares of "
            f"days, {BAND[1] - BAND[0]:.0%} were the errors to stay as they had been: {shares}."
        )
    fitted = [track.model for track in found.tracks if track.fitted]
    if fitted:
        notes.append(
            f"The constants of {', '.join(fitted)} were fitted to market prices or chosen by them, in part "
            "of later days: their lines are drawn with hindsight."
        )
    inside = [track.model for track in found.tracks if track.prices_inside]
    if inside:
        notes.append(f"Made of market prices: {', '.join(inside)}.")
    notes += [f"no price from {first} to {last}, nothing was filled" for first, last in found.gaps]
    return notes + [f"not shown: {text}" for text in by_reason(found.unavailable)]


def by_reason(unavailable: Mapping[str, str]) -> list[str]:
    """Write what is not available, names with the same reason together."""
    names: dict[str, list[str]] = {}
    for name, why in unavailable.items():
        names.setdefault(why, []).append(name)
    return [f"{', '.join(those)} ({why})" for why, those in names.items()]


def history_tree(found: PriceHistory) -> dict[str, Any]:
    """Return every day of it, ready for JSON once NaN is made None.

    Parameters
    ----------
    found : PriceHistory

    Returns
    -------
    dict
    """
    return {
        "file": found.path,
        "days": [str(date_of(day)) for day in found.days],
        "heights": found.heights.tolist(),
        "market_usd": found.market.tolist(),
        "models": {track.model: _track_tree(track) for track in found.tracks},
        "halvings": [{"day": str(date_of(day)), "height": height} for day, height in found.halvings],
        "gaps": [{"from": str(first), "to": str(last)} for first, last in found.gaps],
        "unavailable": dict(found.unavailable),
        "null_means": "no price that day, no value of the model, or fewer than 365 errors before for a band",
        "notes": history_notes(found),
    }


def _track_tree(track: Track) -> dict[str, Any]:
    return {
        "title": track.title,
        "source": track.source,
        "prices_inside": track.prices_inside,
        "fitted": track.fitted,
        "price_usd": track.price.tolist(),
        "band_low_usd": track.low.tolist(),
        "band_high_usd": track.high.tolist(),
        "days_judged": track.judged,
        "days_inside": track.inside,
        "last_price_usd": None if np.isnan(track.price[-1]) else float(track.price[-1]),
    }
