"""How much TRUE PRICE moves with each of its inputs: elasticities, tornado, joint range, halving."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, log, nan, sqrt
from types import MappingProxyType
from typing import Final, Literal, Protocol, get_args

from livetrading.blockchain.mathematical_price import SUPPLY_CAP_BTC, TruePrice, true_price
from livetrading.blockchain.protocol import DomainError

__all__ = [
    "INPUTS",
    "LARGEST_CHANGE",
    "UNCERTAINTY",
    "Bar",
    "Elasticities",
    "HalvingEffect",
    "Input",
    "JointRange",
    "PriceState",
    "elasticities",
    "halving_effect",
    "joint_range",
    "price_with",
    "tornado",
]

Input = Literal["hash_rate", "efficiency", "energy_cost", "reward", "supply", "days"]
INPUTS: Final[tuple[Input, ...]] = get_args(Input)
"""What TRUE PRICE is made from; the count of halvings beside them is no quantity to vary by per cent."""

UNCERTAINTY: Final[Mapping[Input, tuple[float, float]]] = MappingProxyType(
    {"hash_rate": (-0.05, 0.05), "efficiency": (-0.20, 0.20), "energy_cost": (-0.50, 0.50)}
)
"""Relative errors of the inputs that are uncertain at a given date; the others are known exactly.

Hash rate is estimated from three days of blocks, efficiency and energy cost are judgements.
"""
LARGEST_CHANGE: Final = 1e6
"""A relative change beyond all sense, and too small for all of them together to overflow a price."""


class PriceState(Protocol):
    """A moment of the chain, as `ChainState` is: units and ranges are those of `true_price`."""

    @property
    def height(self) -> int: ...
    @property
    def hash_rate(self) -> float: ...
    @property
    def time(self) -> float: ...
    @property
    def efficiency(self) -> float: ...
    @property
    def energy_cost(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Elasticities:
    """d ln P / d ln x of TRUE PRICE P by each input x, all else held; dimensionless.

    Attributes
    ----------
    hash_rate, efficiency, energy_cost, reward, supply, days : float
        Per cent by which the price moves for one per cent of the input; NaN where there is no price.
    reason : str or None
        Why they are NaN: ``"height 0"``, ``"no subsidy"`` or ``"price 0"``; None where they are numbers.
    """

    hash_rate: float
    efficiency: float
    energy_cost: float
    reward: float
    supply: float
    days: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class Bar:
    """What one input does to the price, all else held.

    Attributes
    ----------
    input : str
    low, high : float
        Relative changes of the input.
    price_low, price_high : float
        TRUE PRICE at them, USD/BTC; NaN where there is none.
    """

    input: Input
    low: float
    high: float
    price_low: float
    price_high: float

    @property
    def swing(self) -> float:
        """Length of the bar, |price_high - price_low|, USD/BTC."""
        return abs(self.price_high - self.price_low)


@dataclass(frozen=True, slots=True)
class JointRange:
    """What several uncertain inputs do to the price together.

    Attributes
    ----------
    price : float
        TRUE PRICE as it is, USD/BTC; like the rest NaN where there is none.
    all_low, all_high : float
        The lowest and the highest price over all corners of the inputs' ranges, USD/BTC.
    independent_low, independent_high : float
        The price with the logarithms of the single effects added in quadrature, as for independent errors.
    share : mapping of str to float
        Of the squared length in logarithms, ln(price_high / price_low)^2, of all bars together; sums to 1.
    """

    price: float
    all_low: float
    all_high: float
    independent_low: float
    independent_high: float
    share: Mapping[Input, float]


@dataclass(frozen=True, slots=True)
class HalvingEffect:
    """TRUE PRICE now, and if the next halving came at this moment, USD/BTC.

    Attributes
    ----------
    price : float
    halvings_alone : float
        The count of halvings one higher, the reward as it is.
    reward_alone : float
        The reward halved, the count as it is.
    both : float
        A halving: energy per coin doubles, the multiplier falls.
    """

    price: float
    halvings_alone: float
    reward_alone: float
    both: float


@dataclass(frozen=True, slots=True)
class _Point:
    """A price that is proportional to `scale` / reward, and the rest of what it depends on."""

    scale: float
    reward: float
    stock_years: float  # supply over a year's blocks: stock to flow times the reward
    supply: float
    days: float
    halvings: int

    def price(self) -> float:
        scarcity, maturity, factor = self.parts()
        price = self.scale / self.reward * (1.0 + scarcity + maturity * factor)
        return price if isfinite(price) else nan

    def parts(self) -> tuple[float, float, float]:
        stock_to_flow = self.stock_years / self.reward
        scarcity = log(stock_to_flow) / (self.halvings + 1) ** 2 if stock_to_flow > 1.0 else 0.0
        age = log(self.days) if self.days > 1.0 else 0.0
        maturity = age / (age + self.halvings**2) if age > 0.0 else 0.0
        factor = 1.0 / (1.0 + log(SUPPLY_CAP_BTC / self.supply)) if self.supply < SUPPLY_CAP_BTC else 1.0
        return scarcity, maturity, factor

    def changed(self, change: float, name: Input) -> "_Point":
        factor = 1.0 + change
        if name == "reward":
            return replace(self, reward=self.reward * factor)
        if name == "supply":
            return replace(self, supply=self.supply * factor, stock_years=self.stock_years * factor)
        if name == "days":
            return replace(self, days=self.days * factor)
        return replace(self, scale=self.scale * factor)


def elasticities(state: PriceState) -> Elasticities:
    """Elasticities of TRUE PRICE at a moment of the chain, in closed form.

    Parameters
    ----------
    state : PriceState
        Height, hash rate (H/s), time (s since the Unix epoch), efficiency (J/TH), energy cost (USD/kWh).

    Returns
    -------
    Elasticities

    Raises
    ------
    DomainError, TypeError
        As `true_price`.

    Notes
    -----
    With k halvings, multiplier M = 1 + scarcity + maturity f, supply factor f, L = ln(days)::

        hash rate, efficiency, energy cost    1
        reward                               -1 - 1/((k+1)^2 M)
        supply                               [1/(k+1)^2 + maturity f^2] / M
        days                                 f k^2/(L + k^2)^2 / M

    Stock to flow moves with reward and supply. Where it is at most 1 there is no scarcity and 1/(k+1)^2 drops
    out of both; in the first day there is no maturity, and days count for nothing.
    """
    row = _row(state)
    reason = row.reason or ("price 0" if row.price_usd == 0.0 else None)
    if reason:
        return Elasticities(nan, nan, nan, nan, nan, nan, reason)
    k, factor, multiplier = row.halvings, row.supply_factor, row.multiplier
    scarce = 1.0 / (k + 1) ** 2 if row.stock_to_flow > 1.0 else 0.0
    days = factor * k**2 / (log(row.days) + k**2) ** 2 / multiplier if row.days > 1.0 else 0.0
    grown = row.maturity * factor**2 if row.supply_btc < SUPPLY_CAP_BTC else 0.0
    return Elasticities(
        hash_rate=1.0,
        efficiency=1.0,
        energy_cost=1.0,
        reward=-1.0 - scarce / multiplier,
        supply=(scarce + grown) / multiplier,
        days=days,
        reason=None,
    )


def price_with(state: PriceState, changes: Mapping[Input, float]) -> float:
    """TRUE PRICE with inputs changed.

    Parameters
    ----------
    state : PriceState
    changes : mapping of str to float
        Relative change by input, above -1 and at most 1e6: -0.2 is a fifth less.

    Returns
    -------
    float
        USD/BTC; NaN where there is no price, or none that a float holds. A supply of 21 million BTC or more
        has the supply factor 1, as in `true_price`.

    Raises
    ------
    DomainError
        If an input is unknown, a change is outside its range, or as `true_price`.
    TypeError
        As `true_price`.
    """
    for name, change in changes.items():
        _check_change(name, change)
    point = _point(_row(state))
    if point is None:
        return nan
    for name, change in changes.items():
        point = point.changed(change, name)
    return point.price()


def tornado(
    state: PriceState,
    low: Mapping[Input, float] | None = None,
    high: Mapping[Input, float] | None = None,
) -> tuple[Bar, ...]:
    """Price at the ends of each input's range, the longest bar first.

    Parameters
    ----------
    state : PriceState
    low, high : mapping of str to float, optional
        Relative changes by input, of the same inputs, `low` at most `high`; those of `UNCERTAINTY` unless
        given.

    Returns
    -------
    tuple of Bar
        By falling |price_high - price_low|; of equal ones the first in `INPUTS` stands first.

    Raises
    ------
    DomainError
        If there is no input, `low` and `high` have different ones or a low end is above its high one, or as
        `price_with`.
    TypeError
        As `true_price`.
    """
    ranges = _ranges(low, high)
    bars = [
        Bar(name, *ends, price_with(state, {name: ends[0]}), price_with(state, {name: ends[1]}))
        for name, ends in ranges.items()
    ]
    return tuple(sorted(bars, key=lambda bar: -bar.swing if isfinite(bar.swing) else inf))


def joint_range(
    state: PriceState,
    low: Mapping[Input, float] | None = None,
    high: Mapping[Input, float] | None = None,
) -> JointRange:
    """Range of the price with all the inputs uncertain at once: no single one tells it.

    Parameters
    ----------
    state, low, high
        As in `tornado`.

    Returns
    -------
    JointRange
        All but `price` NaN where a float does not hold an end of a bar.

    Raises
    ------
    DomainError, TypeError
        As `tornado`.

    Notes
    -----
    The price moves one way with each input, so that its extremes lie where every input stands at the end that
    lowers, or raises, the price. `independent_low` and `independent_high` multiply the price by exp(-sqrt(sum
    of a^2)) and exp(sqrt(sum of b^2)), a and b being the logarithms of the single effects downwards and
    upwards: for independent errors, if each range is as many standard errors wide as any other.
    """
    bars = tornado(state, low, high)
    here = price_with(state, {})
    no_share = MappingProxyType({bar.input: nan for bar in bars})
    if not here > 0.0:
        return JointRange(here, here, here, here, here, no_share)
    if not all(bar.price_low > 0.0 and bar.price_high > 0.0 for bar in bars):
        return JointRange(here, nan, nan, nan, nan, no_share)
    down = {b.input: b.low if b.price_low <= b.price_high else b.high for b in bars}
    up = {b.input: b.high if b.price_low <= b.price_high else b.low for b in bars}
    fall = sum(min(0.0, *_logs(bar, here)) ** 2 for bar in bars)
    rise = sum(max(0.0, *_logs(bar, here)) ** 2 for bar in bars)
    squares = {bar.input: log(bar.price_high / bar.price_low) ** 2 for bar in bars}
    total = sum(squares.values())
    top = here * exp(sqrt(rise))
    return JointRange(
        price=here,
        all_low=price_with(state, down),
        all_high=price_with(state, up),
        independent_low=here * exp(-sqrt(fall)),
        independent_high=top if isfinite(top) else nan,
        share=MappingProxyType({n: square / total if total else nan for n, square in squares.items()}),
    )


def halving_effect(state: PriceState) -> HalvingEffect:
    """What a halving at this moment would do to the price, and the two halves of it.

    Parameters
    ----------
    state : PriceState

    Returns
    -------
    HalvingEffect
        NaN where there is no price.

    Raises
    ------
    DomainError, TypeError
        As `true_price`.
    """
    point = _point(_row(state))
    if point is None:
        return HalvingEffect(nan, nan, nan, nan)
    later = replace(point, halvings=point.halvings + 1)
    return HalvingEffect(
        price=point.price(),
        halvings_alone=later.price(),
        reward_alone=replace(point, reward=point.reward / 2).price(),
        both=replace(later, reward=point.reward / 2).price(),
    )


def _row(state: PriceState) -> TruePrice:
    return true_price(state.height, state.hash_rate, state.time, state.efficiency, state.energy_cost)


def _point(row: TruePrice) -> _Point | None:
    if row.reason:
        return None
    scale, years = row.cost_usd * row.reward_btc, row.stock_to_flow * row.reward_btc
    return _Point(scale, row.reward_btc, years, row.supply_btc, row.days, row.halvings)


def _logs(bar: Bar, price: float) -> tuple[float, float]:
    return log(bar.price_low / price), log(bar.price_high / price)


def _ranges(
    low: Mapping[Input, float] | None, high: Mapping[Input, float] | None
) -> dict[Input, tuple[float, float]]:
    low = {name: ends[0] for name, ends in UNCERTAINTY.items()} if low is None else low
    high = {name: ends[1] for name, ends in UNCERTAINTY.items()} if high is None else high
    for name, change in (*low.items(), *high.items()):
        _check_change(name, change)
    if not low or low.keys() != high.keys():
        raise DomainError(
            f"low and high must have the same inputs, one or more, was {', '.join(low) or 'none'} and "
            f"{', '.join(high) or 'none'}"
        )
    for name in low:
        if low[name] > high[name]:
            raise DomainError(f"low of {name} must be at most its high, was {low[name]!r} and {high[name]!r}")
    return {name: (low[name], high[name]) for name in INPUTS if name in low}


def _check_change(name: str, change: float) -> None:
    if name not in INPUTS:
        raise DomainError(f"an input must be one of {', '.join(INPUTS)}, was {name!r}")
    if not -1.0 < change <= LARGEST_CHANGE:
        raise DomainError(
            f"a change of {name} must be finite, above -1 and at most {LARGEST_CHANGE:g}, was {change!r}"
        )
