"""TRUE PRICE: the energy cost of a new coin times a multiplier of scarcity and age.

The multiplier is dimensionless bookkeeping and moves little; the price is energy per coin times the cost of
energy. The default cost, 0.044 USD/kWh, was chosen because it meets the market near 97,000 USD on one day, so
that the agreement on that day carries no evidence. Hash rate follows the price of the coin more than the
other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isinf, isnan, nan
from typing import Any, Final, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.domain import DomainError, Floats, Int64s, Integers, Numbers, float_of, height_of
from livetrading.blockchain.protocol import (
    BLOCK_INTERVAL_S,
    BLOCKS_PER_HALVING,
    ISSUED_BEFORE_COLUMN,
    MAX_HALVINGS,
    SAT_PER_BTC,
    SUBSIDY_COLUMN,
    TRUE_PRICE_EPOCH,
    halving_epoch,
    issued,
    subsidy,
)
from livetrading.core.variates import log

__all__ = [
    "EFFICIENCY_J_TH",
    "ENERGY_COST_USD_KWH",
    "REASONS",
    "TruePrice",
    "TruePrices",
    "Undefined",
    "implied_energy_cost",
    "true_price",
]

EFFICIENCY_J_TH: Final = 25.0
ENERGY_COST_USD_KWH: Final = 0.044
BLOCKS_PER_YEAR: Final = 6 * 24 * 365
SUPPLY_CAP_BTC: Final = 21e6
HASHES_PER_TH: Final = 1e12
J_PER_KWH: Final = 3.6e6
SECONDS_PER_DAY: Final = 86_400

Undefined = Literal["height 0", "no subsidy", "too large for a float"]
"""Why there is no TRUE PRICE: no coin exists before block 1, none is made from height 6,930,000 on, and
inputs may be beyond all sense."""
REASONS: Final = ("", *get_args(Undefined))
"""By the numbers that stand for them in `TruePrices.reason`."""
CHUNK: Final = 8192
"""Rows that are computed at a time, so that what lies between stays in the cache."""


@dataclass(frozen=True, slots=True)
class TruePrice:
    """TRUE PRICE and every number on the way to it; what is undefined is NaN.

    Attributes
    ----------
    halvings : int
        Halvings up to the block.
    reward_btc : float
        Subsidy of the block, fees excluded, BTC.
    supply_btc : float
        Coins issued before the block, BTC.
    energy_kwh : float
        Energy per new coin, kWh/BTC.
    cost_usd : float
        Production cost, USD/BTC.
    stock_to_flow : float
        Supply over a year's issue, years.
    days : float
        Days since `TRUE_PRICE_EPOCH`.
    scarcity, maturity, supply_factor, multiplier : float
        Dimensionless.
    price_usd : float
        TRUE PRICE, USD/BTC.
    reason : str or None
        Why `price_usd` is NaN: ``"height 0"``, ``"no subsidy"`` or ``"too large for a float"``; None where it
        is a number.
    """

    halvings: int
    reward_btc: float
    supply_btc: float
    energy_kwh: float
    cost_usd: float
    stock_to_flow: float
    days: float
    scarcity: float
    maturity: float
    supply_factor: float
    multiplier: float
    price_usd: float
    reason: Undefined | None


@dataclass(frozen=True, slots=True, eq=False)
class TruePrices:
    """TRUE PRICE of many blocks: `TruePrice` with an array in each field.

    Attributes
    ----------
    halvings : ndarray of int64
    reward_btc, supply_btc, energy_kwh, cost_usd, stock_to_flow, days : ndarray of float64
    scarcity, maturity, supply_factor, multiplier, price_usd : ndarray of float64
        As in `TruePrice`, bit for bit.
    reason : ndarray of uint8
        Why `price_usd` is NaN, as the place in `REASONS`: 1 "height 0", 2 "no subsidy", 3 "too large for a
        float"; 0 where it is a number. ``np.array(REASONS)[reason]`` has the words.
    """

    halvings: Int64s
    reward_btc: Floats
    supply_btc: Floats
    energy_kwh: Floats
    cost_usd: Floats
    stock_to_flow: Floats
    days: Floats
    scarcity: Floats
    maturity: Floats
    supply_factor: Floats
    multiplier: Floats
    price_usd: Floats
    reason: NDArray[np.uint8]


def _finite(value: float) -> float:
    return nan if isinf(value) else value


def _scarcity(stock_to_flow: float, halvings: int) -> float:
    if stock_to_flow <= 1.0:
        return 0.0
    return log(stock_to_flow) / (halvings + 1) ** 2


def _maturity(days: float, halvings: int) -> float:
    # Before the first halving this is 1 for every day after the first and 0 until then: the pieces do not
    # meet.
    if days <= 1.0:
        return 0.0
    age = log(days)
    return age / (age + halvings**2)


def _supply_factor(supply_btc: float) -> float:
    if supply_btc >= SUPPLY_CAP_BTC:
        return 1.0
    return 1.0 / (1.0 + log(SUPPLY_CAP_BTC / supply_btc))


@overload
def true_price(  # type: ignore[overload-overlap]  # to be a number is to be no array
    height: int,
    hash_rate: float,
    time: float,
    efficiency: float = ...,
    energy_cost: float = ...,
    *,
    supply_btc: float | None = ...,
) -> TruePrice: ...
@overload
def true_price(
    height: int | Integers,
    hash_rate: float | Numbers,
    time: float | Numbers,
    efficiency: float | Numbers = ...,
    energy_cost: float | Numbers = ...,
    *,
    supply_btc: float | Numbers | None = ...,
) -> TruePrices: ...
def true_price(
    height: int | Integers,
    hash_rate: float | Numbers,
    time: float | Numbers,
    efficiency: float | Numbers = EFFICIENCY_J_TH,
    energy_cost: float | Numbers = ENERGY_COST_USD_KWH,
    *,
    supply_btc: float | Numbers | None = None,
) -> TruePrice | TruePrices:
    """TRUE PRICE of a coin at a block, or of many.

    Parameters
    ----------
    height : int, or ndarray of ints
        Height of the block, >= 0.
    hash_rate : float, or ndarray of numbers
        Hash rate of the network, H/s, >= 0.
    time : float, or ndarray of numbers
        Time of the block, s since the Unix epoch.
    efficiency : float, or ndarray of numbers
        Energy of the network's machines, J/TH, > 0. 25 is sensible only near 2025.
    energy_cost : float, or ndarray of numbers
        Cost of energy, USD/kWh, >= 0.
    supply_btc : float, or ndarray of numbers, optional
        Coins in existence, BTC, at least one satoshi; without it what blocks 0 to `height` - 1 issued.

    Returns
    -------
    TruePrice, or TruePrices where an argument is an array
        All intermediates, of the shape to which the arguments broadcast. `price_usd` is NaN, with its reason,
        at height 0, where there is no subsidy, and where it would be infinite.

    Raises
    ------
    DomainError
        If an argument is NaN, infinite or outside its range, or shapes do not go together.
    TypeError
        If `height` is neither an int nor an array of ints, or another argument neither a number nor an array
        of numbers.

    Notes
    -----
    With k halvings, reward r, supply s, days d::

        energy = hash_rate * efficiency * 600 / r
        price  = energy * energy_cost * (1 + ln(s2f)/(k+1)^2 + ln(d)/(ln(d) + k^2) / (1 + ln(21e6/s)))
        s2f    = s / (r * 52560)

    At a halving the price jumps by about 1.77 although nothing else does.
    """
    given: dict[str, Any] = {
        "height": height,
        "hash_rate": hash_rate,
        "time": time,
        "efficiency": efficiency,
        "energy_cost": energy_cost,
        "supply_btc": supply_btc,
    }
    if any(isinstance(value, np.ndarray) for value in given.values()):
        return TruePrices(**_columns(given, [field.name for field in fields(TruePrices)]))
    block = height_of(given.pop("height"))
    return _true_price(block, **{name: _checked(name, value) for name, value in given.items()})


RULES: Final[Mapping[str, Mapping[str, Any]]] = {
    "hash_rate": {"rule": "finite and >= 0", "low": 0.0},
    "time": {"rule": "finite"},
    "efficiency": {"rule": "finite and > 0", "above": 0.0},
    "energy_cost": {"rule": "finite and >= 0", "low": 0.0},
    "supply_btc": {"rule": ">= 1e-8", "low": 1 / SAT_PER_BTC, "high": 1e15},
    "market_price": {"rule": "finite and > 0", "above": 0.0},
}


def _checked(name: str, value: Any) -> Any:
    """Check an argument, one value or an array, and give it as float or int."""
    if value is None:
        return None
    if name == "height":
        return height_of(value)
    return float_of(value, name, **RULES[name])


def _true_price(
    height: int,
    hash_rate: float,
    time: float,
    efficiency: float,
    energy_cost: float,
    supply_btc: float | None,
) -> TruePrice:
    halvings, reward = halving_epoch(height), subsidy(height) / SAT_PER_BTC
    if supply_btc is None:
        supply_btc = issued(height - 1) / SAT_PER_BTC if height > 0 else 0.0
    reason: Undefined | None = "height 0" if height == 0 else "no subsidy" if reward == 0.0 else None
    # A zero reward would make the energy per coin infinite: that is no price, so it is NaN from here on.
    flow = reward if reward > 0.0 else nan
    energy = _finite(hash_rate * (efficiency / HASHES_PER_TH) * BLOCK_INTERVAL_S / flow / J_PER_KWH)
    cost = _finite(energy * energy_cost)
    stock_to_flow = supply_btc / (flow * BLOCKS_PER_YEAR)
    days = (time - TRUE_PRICE_EPOCH) / SECONDS_PER_DAY
    scarcity = nan if reason == "no subsidy" else _scarcity(stock_to_flow, halvings)
    maturity = _maturity(days, halvings)
    supply_factor = nan if reason == "height 0" else _supply_factor(supply_btc)
    multiplier = 1.0 + scarcity + maturity * supply_factor
    price = _finite(cost * multiplier)
    if reason is None and isnan(price):
        reason = "too large for a float"
    return TruePrice(
        halvings=halvings,
        reward_btc=reward,
        supply_btc=supply_btc,
        energy_kwh=energy,
        cost_usd=cost,
        stock_to_flow=stock_to_flow,
        days=days,
        scarcity=scarcity,
        maturity=maturity,
        supply_factor=supply_factor,
        multiplier=multiplier,
        price_usd=price,
        reason=reason,
    )


# By halvings so far; the last entry, as the others without subsidy, stands for all that follow.
_HALVINGS: Final = range(MAX_HALVINGS + 1)
_REWARD: Final = SUBSIDY_COLUMN / SAT_PER_BTC
_FLOW: Final = np.where(_REWARD > 0.0, _REWARD, np.nan)
_YEARS_FLOW: Final = _FLOW * BLOCKS_PER_YEAR
_SQUARE: Final = np.where(_REWARD > 0.0, [(k + 1.0) ** 2 for k in _HALVINGS], np.nan)
_NO_SUBSIDY: Final = np.where(_REWARD > 0.0, 0, REASONS.index("no subsidy")).astype(np.uint8)


def _columns(given: Mapping[str, Any], wanted: list[str]) -> dict[str, Any]:
    """Fields of `TruePrices` for arguments of which some are arrays, some thousand rows at a time."""
    shape = _shape(given)
    single = {name: _checked(name, v) for name, v in given.items() if not isinstance(v, np.ndarray)}
    arrays = {name: np.broadcast_to(v, shape).reshape(-1) for name, v in given.items() if name not in single}
    for name, array in arrays.items():
        _checked(name, array[:0])
    if "height" in single:
        single["height"] = np.array([single["height"]], np.int64)
    size = int(np.prod(shape))
    dtypes = {"halvings": np.int64, "reason": np.uint8}
    names = [field.name for field in fields(TruePrices)]
    out = {name: np.empty(size, dtypes.get(name, np.float64)) for name in wanted}
    scratch = {name: np.empty(CHUNK, dtypes.get(name, np.float64)) for name in names if name not in out}
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for start in range(0, size, CHUNK):
            part, rows = slice(start, start + CHUNK), min(CHUNK, size - start)
            row = {name: _checked(name, array[part]) for name, array in arrays.items()}
            views = {name: out[name][part] if name in out else scratch[name][:rows] for name in names}
            _fill(views, **single, **row)
    return {name: column.reshape(shape) for name, column in out.items()}


def _shape(given: Mapping[str, Any]) -> tuple[int, ...]:
    shapes = {name: np.shape(value) for name, value in given.items() if value is not None}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DomainError(f"arguments must have shapes that broadcast, was {listed}") from None


def _fill(
    o: Mapping[str, Any],
    height: Int64s,
    hash_rate: float | Floats,
    time: float | Floats,
    efficiency: float | Floats,
    energy_cost: float | Floats,
    supply_btc: float | Floats | None,
) -> None:
    """Fill the fields `o` of some rows, with the operations of `_true_price` in their order."""
    k = np.floor_divide(height, BLOCKS_PER_HALVING, out=o["halvings"])
    _REWARD.take(k, mode="clip", out=o["reward_btc"])
    supply = o["supply_btc"]
    if supply_btc is None:
        past = height - k * BLOCKS_PER_HALVING
        issued_sat = ISSUED_BEFORE_COLUMN.take(k, mode="clip") + past * SUBSIDY_COLUMN.take(k, mode="clip")
        np.divide(issued_sat, SAT_PER_BTC, out=supply)
    else:
        supply[:] = supply_btc
    energy = np.multiply(hash_rate, efficiency / HASHES_PER_TH, out=o["energy_kwh"])
    energy *= BLOCK_INTERVAL_S
    energy /= _FLOW.take(k, mode="clip")
    energy /= J_PER_KWH
    large = _drop_infinite(energy)
    cost = np.multiply(energy, energy_cost, out=o["cost_usd"])
    large |= _drop_infinite(cost)
    stock_to_flow = np.divide(supply, _YEARS_FLOW.take(k, mode="clip"), out=o["stock_to_flow"])
    days = np.subtract(time, TRUE_PRICE_EPOCH, out=o["days"])
    days /= SECONDS_PER_DAY
    # Where a piece is 0 or 1 its logarithm is one of 1. A stock to flow of NaN, too: the square then is NaN.
    scarcity = np.divide(log(np.fmax(stock_to_flow, 1.0)), _SQUARE.take(k, mode="clip"), out=o["scarcity"])
    age = log(np.maximum(days, 1.0))
    squares = k.astype(np.float64)
    squares *= squares
    squares += age
    maturity = np.divide(age, squares, out=o["maturity"])
    np.copyto(maturity, 0.0, where=days <= 1.0)
    factor = np.divide(SUPPLY_CAP_BTC, supply, out=o["supply_factor"])
    factor[:] = log(np.maximum(factor, 1.0))
    factor += 1.0
    np.divide(1.0, factor, out=factor)
    no_coin = height == 0
    np.copyto(factor, nan, where=no_coin)
    multiplier = np.add(scarcity, 1.0, out=o["multiplier"])
    multiplier += maturity * factor
    price = np.multiply(cost, multiplier, out=o["price_usd"])
    large |= _drop_infinite(price)
    reason = _NO_SUBSIDY.take(k, mode="clip", out=o["reason"])
    np.copyto(reason, REASONS.index("height 0"), where=no_coin)
    if large:
        reason[(reason == 0) & np.isnan(price)] = REASONS.index("too large for a float")


def _drop_infinite(column: Floats) -> bool:
    """Make what is infinite NaN, and say whether there was any."""
    found = bool(np.fmax.reduce(column) == np.inf)
    if found:
        column[np.isinf(column)] = nan
    return found


@overload
def implied_energy_cost(  # type: ignore[overload-overlap]  # to be a number is to be no array
    market_price: float, height: int, hash_rate: float, time: float, efficiency: float = ...
) -> float: ...
@overload
def implied_energy_cost(
    market_price: float | Numbers,
    height: int | Integers,
    hash_rate: float | Numbers,
    time: float | Numbers,
    efficiency: float | Numbers = ...,
) -> Floats: ...
def implied_energy_cost(
    market_price: float | Numbers,
    height: int | Integers,
    hash_rate: float | Numbers,
    time: float | Numbers,
    efficiency: float | Numbers = EFFICIENCY_J_TH,
) -> float | Floats:
    """Cost of energy at which TRUE PRICE equals a market price.

    Exact, because TRUE PRICE is linear in the cost of energy.

    Parameters
    ----------
    market_price : float, or ndarray of numbers
        USD/BTC, > 0.
    height, hash_rate, time, efficiency
        As in `true_price`; `hash_rate` > 0.

    Returns
    -------
    float, or ndarray of float64 where an argument is an array
        USD/kWh; NaN where TRUE PRICE is, where it is too small for a float, or the cost too large.

    Raises
    ------
    DomainError
        If an argument is NaN, infinite or outside its range, or shapes do not go together.
    TypeError
        As `true_price`.
    """
    market = _checked("market_price", market_price)
    rate = float_of(hash_rate, "hash_rate", "> 0", above=0.0)
    given = {"height": height, "hash_rate": rate, "time": time, "efficiency": efficiency, "energy_cost": 1.0}
    if any(isinstance(value, np.ndarray) for value in (market, *given.values())):
        _shape({"market_price": market, **given})
        price = _columns({**given, "supply_btc": None}, ["price_usd"])["price_usd"]
        with np.errstate(divide="ignore", over="ignore"):
            cost = np.asarray(market / price)
        np.copyto(cost, nan, where=np.isinf(cost))
        return cost
    single = true_price(height, rate, time, efficiency, 1.0).price_usd
    return _finite(market / single) if single != 0.0 else nan
