"""TRUE PRICE: the energy cost of a new coin times a multiplier of scarcity and age.

The multiplier is dimensionless bookkeeping and moves little; the price is energy per coin times the cost of
energy. The default cost, 0.044 USD/kWh, was chosen because it meets the market near 97,000 USD on one day, so
that the agreement on that day carries no evidence. Hash rate follows the price of the coin more than the
other way round.
"""

from dataclasses import dataclass
from math import isfinite, nan
from typing import Final, Literal

from livetrading.blockchain.protocol import (
    BLOCK_INTERVAL_S,
    SAT_PER_BTC,
    TRUE_PRICE_EPOCH,
    DomainError,
    halving_epoch,
    issued,
    subsidy,
)
from livetrading.core.variates import log

__all__ = [
    "EFFICIENCY_J_TH",
    "ENERGY_COST_USD_KWH",
    "TruePrice",
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

Undefined = Literal["height 0", "no subsidy"]
"""Why there is no TRUE PRICE: no coin exists before block 1, and none is made from height 6,930,000 on."""


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
        Why `price_usd` is NaN: ``"height 0"`` or ``"no subsidy"``; None where it is a number.
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


def _require(ok: bool, rule: str, value: float) -> None:
    if not ok:
        raise DomainError(f"{rule}, was {value!r}")


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


def true_price(
    height: int,
    hash_rate: float,
    time: float,
    efficiency: float = EFFICIENCY_J_TH,
    energy_cost: float = ENERGY_COST_USD_KWH,
    *,
    supply_btc: float | None = None,
) -> TruePrice:
    """TRUE PRICE of a coin at a block.

    Parameters
    ----------
    height : int
        Height of the block, >= 0.
    hash_rate : float
        Hash rate of the network, H/s, >= 0.
    time : float
        Time of the block, s since the Unix epoch.
    efficiency : float
        Energy of the network's machines, J/TH, > 0. 25 is sensible only near 2025.
    energy_cost : float
        Cost of energy, USD/kWh, >= 0.
    supply_btc : float, optional
        Coins in existence, BTC, at least one satoshi; without it what blocks 0 to `height` - 1 issued.

    Returns
    -------
    TruePrice
        All intermediates. `price_usd` is NaN, with its reason, at height 0 and where there is no subsidy.

    Raises
    ------
    DomainError
        If an argument is NaN, infinite or outside its range.
    TypeError
        If `height` is no integer.

    Notes
    -----
    With k halvings, reward r, supply s, days d::

        energy = hash_rate * efficiency * 600 / r
        price  = energy * energy_cost * (1 + ln(s2f)/(k+1)^2 + ln(d)/(ln(d) + k^2) / (1 + ln(21e6/s)))
        s2f    = s / (r * 52560)

    At a halving the price jumps by about 1.77 although nothing else does.
    """
    _require(isfinite(hash_rate) and hash_rate >= 0.0, "hash_rate must be finite and >= 0", hash_rate)
    _require(isfinite(time), "time must be finite", time)
    _require(isfinite(efficiency) and efficiency > 0.0, "efficiency must be finite and > 0", efficiency)
    _require(isfinite(energy_cost) and energy_cost >= 0.0, "energy_cost must be finite and >= 0", energy_cost)
    halvings, reward = halving_epoch(height), subsidy(height) / SAT_PER_BTC
    if supply_btc is None:
        supply_btc = issued(height - 1) / SAT_PER_BTC if height > 0 else 0.0
    else:
        _require(
            isfinite(supply_btc) and supply_btc * SAT_PER_BTC >= 1.0, "supply_btc must be >= 1e-8", supply_btc
        )
    reason: Undefined | None = "height 0" if height == 0 else "no subsidy" if reward == 0.0 else None
    # A zero reward would make the energy per coin infinite: that is no price, so it is NaN from here on.
    flow = reward if reward > 0.0 else nan
    energy = hash_rate * (efficiency / HASHES_PER_TH) * BLOCK_INTERVAL_S / flow / J_PER_KWH
    stock_to_flow = supply_btc / (flow * BLOCKS_PER_YEAR)
    days = (time - TRUE_PRICE_EPOCH) / SECONDS_PER_DAY
    scarcity = nan if reason == "no subsidy" else _scarcity(stock_to_flow, halvings)
    maturity = _maturity(days, halvings)
    supply_factor = nan if reason == "height 0" else _supply_factor(supply_btc)
    multiplier = 1.0 + scarcity + maturity * supply_factor
    return TruePrice(
        halvings=halvings,
        reward_btc=reward,
        supply_btc=supply_btc,
        energy_kwh=energy,
        cost_usd=energy * energy_cost,
        stock_to_flow=stock_to_flow,
        days=days,
        scarcity=scarcity,
        maturity=maturity,
        supply_factor=supply_factor,
        multiplier=multiplier,
        price_usd=energy * energy_cost * multiplier,
        reason=reason,
    )


def implied_energy_cost(
    market_price: float, height: int, hash_rate: float, time: float, efficiency: float = EFFICIENCY_J_TH
) -> float:
    """Cost of energy at which TRUE PRICE equals a market price.

    Exact, because TRUE PRICE is linear in the cost of energy.

    Parameters
    ----------
    market_price : float
        USD/BTC, > 0.
    height, hash_rate, time, efficiency
        As in `true_price`; `hash_rate` > 0.

    Returns
    -------
    float
        USD/kWh; NaN where TRUE PRICE is.

    Raises
    ------
    DomainError
        If an argument is NaN, infinite or outside its range.
    TypeError
        If `height` is no integer.
    """
    _require(
        isfinite(market_price) and market_price > 0.0, "market_price must be finite and > 0", market_price
    )
    _require(hash_rate > 0.0, "hash_rate must be > 0", hash_rate)
    return market_price / true_price(height, hash_rate, time, efficiency, 1.0).price_usd
