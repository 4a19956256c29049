"""How well each valuation model tracked a market history, and whether it foretold anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import isnan, log, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.mathematical_price import ENERGY_COST_USD_KWH
from livetrading.blockchain.models import power_law
from livetrading.blockchain.protocol import BLOCKS_PER_HALVING
from livetrading.blockchain.valuation import MODELS, Model
from livetrading.data.chain_history import ChainHistory, Gap, date_of, day_of
from livetrading.data.errors import DataError
from livetrading.research.price_history import NO_PRICE, PRICED
from livetrading.research.price_statistics import (
    Cointegration,
    Tracking,
    check_formulas,
    cointegration,
    tracking,
)
from livetrading.research.walk_forward import (
    FORMS,
    HORIZONS,
    Comparison,
    Forecasts,
    Form,
    compare,
    forecast,
    growth_forecast,
    holm,
    naive_forecast,
)

__all__ = ["Evaluation", "Outlook", "Refit", "Row", "evaluate", "on_grid"]

Floats = NDArray[np.float64]

SPLIT: Final = date(2020, 1, 1)
LEAST_DAYS: Final = 120
SIGNIFICANT: Final = 0.05
BENCHMARKS: Final[Mapping[str, str]] = {
    "price 365 days ago": "365",
    "price 30 days ago": "30",
    "200-day mean price": "mean",
}
VARIANTS: Final[Mapping[str, Mapping[str, float]]] = {
    "true-price c 0.05": {"energy_cost": 0.05},
    "true-price 25 J/TH": {"efficiency": 25.0},
}
"""TRUE PRICE at another cost of energy, and at 25 J/TH on every day."""
SCHEDULED: Final = frozenset(("day", "time", "height", "supply_btc"))
"""Columns that follow the calendar and the schedule; a model of these alone has no chance in it."""
REFIT_DAYS: Final = 1000
REFIT_LATER_DAYS: Final = 365


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model or a benchmark beside the market.

    Attributes
    ----------
    label : str
        The model's name, with what is set apart from its default; or the benchmark in words.
    benchmark, prices_inside, fitted, scheduled : bool
        A benchmark; reads market prices; has coefficients fitted to market prices; follows the calendar and
        the schedule of issue alone.
    compared_with : str
        ``price_usd``, or ``market_cap_usd`` where the model is of a cap and has no supply of its own.
    tracking : Tracking
    cointegration : Cointegration
    """

    label: str
    benchmark: bool
    prices_inside: bool
    fitted: bool
    scheduled: bool
    compared_with: str
    tracking: Tracking
    cointegration: Cointegration


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Forecasts by one model, one form of regression and one horizon, held against the two without a model.

    Attributes
    ----------
    label, form : str
    horizon : int
        Days.
    naive, growth : Comparison
        Against the last price, and against constant growth.
    adjusted_p : float
        `naive.p_value` adjusted by Holm's method for all forecasts of the evaluation that differ.
    same_as : str
        The label with the same forecasts, which are counted once; "" where there is none.
    """

    label: str
    form: Form
    horizon: int
    naive: Comparison
    growth: Comparison
    adjusted_p: float
    same_as: str

    @property
    def verdict(self) -> str:
        """``beats`` or ``worse`` than the last price, by its RMSE and beyond chance (adjusted p below 5 %).

        ``lower`` or ``higher`` where chance may be all of it, ``undefined`` where nothing was foretold.
        """
        if isnan(self.naive.rmse_ratio):
            return "undefined"
        beyond_chance = self.adjusted_p < SIGNIFICANT
        if self.naive.rmse_ratio < 1.0:
            return "beats" if beyond_chance else "lower"
        return "worse" if beyond_chance else "higher"


@dataclass(frozen=True, kw_only=True)
class Refit:
    """The power law fitted to the window's prices up to a day, and its errors after it.

    Attributes
    ----------
    until : date
    intercept, exponent : float
        Of log10 price on log10 days.
    later_days : int
    later_median_abs, later_bias : float
        Of ln price - ln model after `until`.
    """

    until: date
    intercept: float
    exponent: float
    later_days: int
    later_median_abs: float
    later_bias: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    path : str
    first, last : date
    days : int
        Days with a price.
    split : date
        First day of the later part.
    halvings : int
        Of the subsidy within the window.
    gaps : tuple of (date, date)
        Stretches without a price, both days included; nothing was filled.
    rows : tuple of Row
    refits : tuple of Refit
    growth : mapping of int to Comparison
        Constant growth against the last price, by horizon.
    outlooks : tuple of Outlook
    unavailable : mapping of str to str
        Models that could not be held against the prices, and why.
    notes : tuple of str
    """

    path: str
    first: date
    last: date
    days: int
    split: date
    halvings: int
    gaps: tuple[Gap, ...]
    rows: tuple[Row, ...]
    refits: tuple[Refit, ...]
    growth: Mapping[int, Comparison]
    outlooks: tuple[Outlook, ...]
    unavailable: Mapping[str, str]
    notes: tuple[str, ...]

    def row(self, label: str) -> Row | None:
        """Return the row of a label, None where there is none."""
        return next((row for row in self.rows if row.label == label), None)

    def outlook(self, label: str, form: Form, horizon: int) -> Outlook | None:
        """Return the forecasts of a label, None where there are none."""
        wanted = (label, form, horizon)
        return next((one for one in self.outlooks if (one.label, one.form, one.horizon) == wanted), None)


@dataclass(frozen=True, kw_only=True)
class _Series:
    """A model on the grid: logarithms of what is compared, and of its price, which forecasts use."""

    label: str
    model: Model | None
    compared_with: str
    target: Floats
    value: Floats
    price: Floats


def evaluate(
    history: ChainHistory,
    models: Mapping[str, Model] = MODELS,
    *,
    first: date | None = None,
    last: date | None = None,
    split: date | None = None,
) -> Evaluation:
    """Hold models and benchmarks against a market history.

    Parameters
    ----------
    history : ChainHistory
        With prices. Models see all of its rows, so that sums since the beginning are complete.
    models : mapping of str to Model
        Those that give a price or a market cap are evaluated.
    first, last : date, optional
        The window; without them the first and the last day with a price. Benchmarks and refits see the prices
        of the window alone.
    split : date, optional
        First day of the later part; without it 2020-01-01, or the middle where that is not in the middle
        half.

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If there are fewer than 120 prices in the window, or the split is not inside it.
    ExtraMissing
        If scipy or statsmodels is not installed.
    """
    check_formulas()
    days = history.columns["day"]
    window = _window(history, first, last)
    grid = np.arange(window[0], window[1] + 1)
    price = _logarithms(on_grid(days, history.columns["price_usd"], grid))
    known = int(np.count_nonzero(~np.isnan(price)))
    if known < LEAST_DAYS:
        raise DataError(f"{history.path}: the window must hold at least {LEAST_DAYS} prices, was {known}")
    cut = _split(grid, split)
    series, unavailable = _all_series(history, models, grid, price)
    rows = tuple(_row(one, cut) for one in series)
    heights = history.columns["height"][(days >= window[0]) & (days <= window[1])]
    return Evaluation(
        path=str(history.path),
        first=date_of(window[0]),
        last=date_of(window[1]),
        days=known,
        split=date_of(grid[cut]),
        halvings=int(heights[-1] // BLOCKS_PER_HALVING - heights[0] // BLOCKS_PER_HALVING),
        gaps=history.between(date_of(window[0]), date_of(window[1])).gaps,
        rows=rows,
        refits=tuple(_refits(grid, price)),
        growth={h: compare(growth_forecast(price, h), naive_forecast(price, h)) for h in HORIZONS},
        outlooks=_outlooks(price, series),
        unavailable=unavailable,
        notes=history.notes,
    )


def on_grid(days: NDArray[np.int64], values: NDArray[Any], grid: NDArray[np.int64]) -> Floats:
    """Lay a column out on consecutive days, NaN where the history has no row."""
    out = np.full(len(grid), nan)
    inside = (days >= grid[0]) & (days <= grid[-1])
    out[days[inside] - grid[0]] = values[inside]
    return out


def _logarithms(values: Floats) -> Floats:
    return np.log(np.where(values > 0.0, values, nan))


def _window(history: ChainHistory, first: date | None, last: date | None) -> tuple[int, int]:
    if "price_usd" not in history.columns:
        raise DataError("a history must have prices to be evaluated, was the chain alone")
    part = history.between(first, last)
    priced = part.columns["day"][~np.isnan(part.columns["price_usd"])]
    if not len(priced):
        days = part.columns["day"]
        was = f"{date_of(days[0])} to {date_of(days[-1])} without any"
        raise DataError(f"{history.path}: the window must hold at least {LEAST_DAYS} prices, was {was}")
    return int(priced[0]), int(priced[-1])


def _split(grid: NDArray[np.int64], asked: date | None) -> int:
    """Position of the first day of the later part."""
    low, high = int(grid[0]), int(grid[-1])
    if asked is not None:
        if not low < day_of(asked) <= high:
            raise DataError(f"split must be from {date_of(low + 1)} to {date_of(high)}, was {asked}")
        return day_of(asked) - low
    position = day_of(SPLIT) - low
    return position if len(grid) // 4 <= position <= 3 * len(grid) // 4 else len(grid) // 2


def _all_series(
    history: ChainHistory, models: Mapping[str, Model], grid: NDArray[np.int64], price: Floats
) -> tuple[list[_Series], dict[str, str]]:
    columns: dict[str, Any] = {"energy_cost": ENERGY_COST_USD_KWH, **history.columns}
    series: list[_Series] = []
    unavailable: dict[str, str] = {}
    for name, model in models.items():
        if model.kind not in PRICED:
            unavailable[name] = NO_PRICE
            continue
        asked = [(name, {}), *(VARIANTS.items() if name == "true-price" else ())]
        for label, changed in asked:
            one = _series(label, model, {**columns, **changed}, history, grid)
            if isinstance(one, str):
                unavailable[label] = one
            else:
                series.append(one)
    past = {"365": _shifted(price, 365), "30": _shifted(price, 30), "mean": _mean_price(price)}
    for label, kind in BENCHMARKS.items():
        series.append(
            _Series(
                label=label,
                model=None,
                compared_with="price_usd",
                target=price,
                value=past[kind],
                price=past[kind],
            )
        )
    return series, unavailable


def _series(
    label: str, model: Model, columns: Mapping[str, Any], history: ChainHistory, grid: NDArray[np.int64]
) -> _Series | str:
    """Value a model on every row; a string says why it has none in the window."""
    found = model.value(columns)
    days = history.columns["day"]

    def laid_out(values: NDArray[Any]) -> Floats:
        return on_grid(days, np.broadcast_to(values, days.shape), grid)

    own, implied = _logarithms(laid_out(found.value)), _logarithms(laid_out(found.price_usd))
    # Where the model has a supply of its own its price is as much its own as its cap.
    as_cap = model.kind == "cap" and "supply_btc" in model.optional and "market_cap_usd" in columns
    compared = "market_cap_usd" if as_cap else "price_usd"
    value = own if as_cap else implied
    target = _logarithms(laid_out(history.columns[compared]))
    if np.isnan(value + target).all():
        reasons = np.broadcast_to(found.reason, days.shape)[(days >= grid[0]) & (days <= grid[-1])]
        said = sorted({str(reason) for reason in reasons} - {""})
        return "; ".join(said) or "no day of the window has both a value and a price"
    return _Series(
        label=label, model=model, compared_with=compared, target=target, value=value, price=implied
    )


def _shifted(price: Floats, days: int) -> Floats:
    return np.concatenate([np.full(min(days, len(price)), nan), price[:-days]])


def _mean_price(price: Floats, days: int = 200) -> Floats:
    """Logarithm of the mean price of the last 200 days; none where one of them has no price."""
    if len(price) < days:
        return np.full(len(price), nan)
    windows = np.lib.stride_tricks.sliding_window_view(np.exp(price), days)
    return np.concatenate([np.full(days - 1, nan), np.log(windows.mean(axis=1))])


def _row(series: _Series, cut: int) -> Row:
    model = series.model
    return Row(
        label=series.label,
        benchmark=model is None,
        prices_inside=model is None or model.prices_inside,
        fitted=model is not None and model.fitted,
        scheduled=model is not None and set(model.channels) <= SCHEDULED,
        compared_with=series.compared_with,
        tracking=tracking(series.target, series.value, cut),
        cointegration=cointegration(series.target, series.value),
    )


def _refits(grid: NDArray[np.int64], price: Floats) -> Iterator[Refit]:
    """Fit the power law to the prices up to each end of a year, where enough stand before it and after."""
    known = ~np.isnan(price)
    for year in range(date_of(grid[0]).year, date_of(grid[-1]).year + 1):
        until = date(year, 12, 31)
        before, after = known & (grid <= day_of(until)), known & (grid > day_of(until))
        if np.count_nonzero(before) < REFIT_DAYS or np.count_nonzero(after) < REFIT_LATER_DAYS:
            continue
        law = power_law.fit(grid[before], np.exp(price[before]))
        age = np.log10(grid[after] - power_law.GENESIS_DAY)
        error = price[after] - log(10.0) * (law.intercept + law.exponent * age)
        yield Refit(
            until=until,
            intercept=law.intercept,
            exponent=law.exponent,
            later_days=len(error),
            later_median_abs=float(np.median(np.abs(error))),
            later_bias=float(np.median(error)),
        )


def _outlooks(price: Floats, series: Sequence[_Series]) -> tuple[Outlook, ...]:
    found: list[Outlook] = []
    for horizon in HORIZONS:
        naive, growth = naive_forecast(price, horizon), growth_forecast(price, horizon)
        for form in FORMS:
            made: list[tuple[str, Forecasts]] = []
            for one in series:
                ahead = forecast(price, one.price, horizon, form)
                same = next((label for label, other in made if _equal(ahead, other)), "")
                made.append((one.label, ahead))
                found.append(
                    Outlook(
                        label=one.label,
                        form=form,
                        horizon=horizon,
                        naive=compare(ahead, naive),
                        growth=compare(ahead, growth),
                        adjusted_p=nan,
                        same_as=same,
                    )
                )
    return _adjusted(found)


def _equal(one: Forecasts, other: Forecasts) -> bool:
    return np.array_equal(one.origins, other.origins) and np.allclose(one.values, other.values, 0.0, 1e-6)


def _adjusted(found: Sequence[Outlook]) -> tuple[Outlook, ...]:
    """Adjust p for all forecasts that differ; those that are the same have the p of their first."""
    adjusted = holm([nan if one.same_as else one.naive.p_value for one in found])
    by_key = {(one.label, one.form, one.horizon): p for one, p in zip(found, adjusted, strict=True)}
    return tuple(
        replace(one, adjusted_p=by_key[one.same_as or one.label, one.form, one.horizon]) for one in found
    )
