"""Signals of the chain in USD, from daily columns: what miners earn and spend, what is moved and held.

Every one is declared in `SIGNALS` with its unit, the columns it reads, its formula and its source. They hold
market prices or stand beside them: they describe a market, and none is offered as a forecast.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.models.daily import check_days, moving_average, why_no_average
from livetrading.blockchain.models.hashprice import HASHPRICE
from livetrading.blockchain.models.model import (
    CHANNELS,
    ChannelModel,
    Columns,
    Computed,
    Floats,
    Kind,
    Valuation,
    masked_ratio,
)
from livetrading.blockchain.models.nvt import NVT
from livetrading.blockchain.models.true_price import TRUE_PRICE
from livetrading.blockchain.protocol import DomainError

__all__ = ["SIGNALS", "MarketSignals", "Signal", "market_signals"]

DAYS_PER_YEAR: Final = 365
"""As in TRUE PRICE's 52,560 blocks a year."""
NVT_DAYS: Final = 90
HOURS_PER_DAY: Final = 24
WH_PER_KWH: Final = 1e3
HASHES_PER_TH: Final = 1e12

Rows = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Signal(ChannelModel):
    """One signal: what it is made of, and how.

    Attributes
    ----------
    formula : str
        In the names of its columns.
    rule : callable
        From the columns to the values and, where they are undefined, why.
    """

    unit: str
    channels: tuple[str, ...]
    formula: str
    rule: Callable[[Rows], Computed]
    kind: Kind = field(init=False, default="signal")
    prices_inside: bool = True

    def compute(self, columns: Rows) -> Computed:
        """The values, and why there is none."""
        return self.rule(columns)


@dataclass(frozen=True, slots=True)
class MarketSignals:
    """Every signal of `SIGNALS`, row by row; all arrays are of one shape and cannot be written to.

    Attributes
    ----------
    values : mapping of str to ndarray of float64
        By name; NaN where `reasons` says why.
    units : mapping of str to str
    reasons : mapping of str to ndarray of str
        "" where there is a value.
    notes : mapping of str to tuple of str
        What holds for a signal as a whole.
    """

    values: Mapping[str, Floats]
    units: Mapping[str, str]
    reasons: Mapping[str, NDArray[np.str_]]
    notes: Mapping[str, tuple[str, ...]]

    @property
    def available(self) -> tuple[str, ...]:
        """Signals that have a value in at least one row."""
        return tuple(name for name, values in self.values.items() if not np.all(np.isnan(values)))


def market_signals(columns: Columns) -> MarketSignals:
    """Every signal, for every day.

    Parameters
    ----------
    columns : mapping of str to float or array, shape () or (n,)
        Daily columns by their names in `CHANNELS`, one row a day in the order of `day`, which has to be among
        them where there is more than one row; a single number counts for all rows. Others are left out of
        account.

    Returns
    -------
    MarketSignals
        NaN with a reason where a column is absent, unknown on a day, or leaves a signal undefined: nothing is
        filled in.

    Raises
    ------
    DomainError
        If a value is outside its column's range, if shapes differ, or if days are not in order.
    TypeError
        If `height` or `day` is not of integers.
    """
    given = {name: np.asarray(column) for name, column in columns.items() if name in CHANNELS}
    if not given:
        raise DomainError(
            f"columns must hold one of {', '.join(CHANNELS)}, was {', '.join(columns) or 'none'}"
        )
    rows = _one_shape(given)
    found = {name: signal.value(rows) for name, signal in SIGNALS.items()}
    return MarketSignals(
        values=MappingProxyType({name: _read_only(value.value) for name, value in found.items()}),
        units=MappingProxyType({name: value.unit for name, value in found.items()}),
        reasons=MappingProxyType({name: _read_only(value.reason) for name, value in found.items()}),
        notes=MappingProxyType({name: value.notes for name, value in found.items()}),
    )


def _one_shape(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    try:
        shape = np.broadcast_shapes(*(column.shape for column in given.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {column.shape}" for name, column in given.items())
        raise DomainError(f"columns must have equal shapes, was {shapes}") from None
    if len(shape) > 1:
        raise DomainError(f"columns must be of one row a day, of one dimension, was of shape {shape}")
    if "day" in given:
        check_days(given["day"])
    elif shape not in ((), (0,), (1,)):
        raise DomainError(f"day must be among the columns of more than one row, was {', '.join(given)}")
    return {name: np.broadcast_to(column, shape) for name, column in given.items()}


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    own = np.array(values)
    own.flags.writeable = False
    return own


def _product(*names: str) -> Callable[[Rows], Computed]:
    def product(c: Rows) -> Computed:
        return Computed(value=np.prod([c[name] for name in names], axis=0), parts={})

    return product


def _ratio(numerator: Floats, denominator: Floats, why_not: str) -> Computed:
    """A quotient, undefined where the denominator is 0."""
    return Computed(
        value=masked_ratio(numerator, denominator), parts={}, undefined=[(denominator == 0.0, why_not)]
    )


def _revenue_btc(c: Rows) -> Floats:
    return np.asarray(c["issuance_btc"] + c["fees_btc"])


def _revenue(c: Rows) -> Computed:
    return Computed(value=_revenue_btc(c) * c["price_usd"], parts={})


def _fee_share(c: Rows) -> Computed:
    return _ratio(c["fees_btc"], _revenue_btc(c), "no revenue that day")


def _security_spend(c: Rows) -> Computed:
    spent = _revenue_btc(c) * c["price_usd"] * DAYS_PER_YEAR
    return Computed(value=spent / c["market_cap_usd"], parts={})


def _subsidy_yield(c: Rows) -> Computed:
    return Computed(value=c["issuance_btc"] * DAYS_PER_YEAR / c["supply_btc"], parts={})


def _energy_kwh(c: Rows) -> Floats:
    return np.asarray(c["hash_rate"] * (c["efficiency"] / HASHES_PER_TH) * HOURS_PER_DAY / WH_PER_KWH)


def _energy(c: Rows) -> Computed:
    return Computed(value=_energy_kwh(c), parts={})


def _energy_usd(c: Rows) -> Computed:
    return Computed(value=_energy_kwh(c) * c["energy_cost"], parts={})


def _miner_margin(c: Rows) -> Computed:
    return _ratio(_revenue_btc(c) * c["price_usd"], _energy_kwh(c) * c["energy_cost"], "no cost of energy")


def _true_price(c: Rows, **other: float) -> Valuation:
    return TRUE_PRICE.value({**{name: c[name] for name in TRUE_PRICE.channels if name in c}, **other})


def _production_cost(c: Rows) -> Computed:
    at_cost = _true_price(c)
    return Computed(
        value=at_cost.parts["cost_usd"], parts={}, undefined=[(at_cost.reason == "no subsidy", "no subsidy")]
    )


def _market_premium(c: Rows) -> Computed:
    cost = _production_cost(c)
    return Computed(
        value=masked_ratio(c["price_usd"], cost.value) - 1.0,
        parts={},
        undefined=[*cost.undefined, (cost.value == 0.0, "no cost of energy")],
    )


def _implied_energy_cost(c: Rows) -> Computed:
    at_one = _true_price(c, energy_cost=1.0)
    undefined = [(at_one.reason == why, str(why)) for why in np.unique(at_one.reason) if why]
    return Computed(
        value=masked_ratio(c["price_usd"], at_one.value),
        parts={},
        undefined=[*undefined, (at_one.value == 0.0, "hash rate 0")],
    )


def _nvt_signal(c: Rows) -> Computed:
    transfer = c["transfer_btc"] * c["price_usd"]
    mean = moving_average(c["day"], transfer, NVT_DAYS)
    why = why_no_average(c["day"], transfer, NVT_DAYS, "transfer_btc and price_usd")
    return Computed(
        value=masked_ratio(c["market_cap_usd"], mean),
        parts={},
        undefined=[*why, (mean == 0.0, f"no transfer in {NVT_DAYS} days")],
    )


def _velocity(c: Rows) -> Computed:
    mean = moving_average(c["day"], c["transfer_btc"], DAYS_PER_YEAR)
    return Computed(
        value=mean * DAYS_PER_YEAR / c["supply_btc"],
        parts={},
        undefined=why_no_average(c["day"], c["transfer_btc"], DAYS_PER_YEAR, "transfer_btc"),
    )


def _realized_cap_change(c: Rows) -> Computed:
    cap, day, shape = np.ravel(c["realized_cap_usd"]), np.ravel(c["day"]), np.shape(c["realized_cap_usd"])
    change = np.diff(cap, prepend=np.nan)
    gap = np.diff(day, prepend=day[:1]) != 1
    masks = (
        (np.arange(len(cap)) == 0, "no day before"),
        (gap, "the day before is missing"),
        (np.isnan(cap), "needs realized_cap_usd"),
        (np.isnan(change), "needs realized_cap_usd on the day before"),
    )
    return Computed(
        value=change.reshape(shape), parts={}, undefined=[(mask.reshape(shape), why) for mask, why in masks]
    )


def _net_flow(c: Rows) -> Computed:
    return Computed(
        value=c["exchange_inflow_usd"] - c["exchange_outflow_usd"],
        parts={},
        notes=("which addresses are an exchange's is the vendor's guess",),
    )


DEFINED: Final = "by definition"
ENERGY: Final = ("hash_rate", "efficiency")
COST: Final = (*ENERGY, "energy_cost")
EARNED: Final = ("issuance_btc", "fees_btc")

_DECLARED: Final = (
    Signal(
        name="issuance_usd",
        title="Issuance",
        unit="USD/day",
        channels=("issuance_btc", "price_usd"),
        formula="issuance_btc * price_usd",
        source=DEFINED,
        rule=_product("issuance_btc", "price_usd"),
    ),
    Signal(
        name="fees_usd",
        title="Fees",
        unit="USD/day",
        channels=("fees_btc", "price_usd"),
        formula="fees_btc * price_usd",
        source=DEFINED,
        rule=_product("fees_btc", "price_usd"),
    ),
    Signal(
        name="miner_revenue_usd",
        title="Revenue of the miners",
        unit="USD/day",
        channels=(*EARNED, "price_usd"),
        formula="(issuance_btc + fees_btc) * price_usd",
        source=DEFINED,
        rule=_revenue,
    ),
    Signal(
        name="fee_share",
        title="Fees' share of the revenue",
        unit="1",
        channels=EARNED,
        formula="fees_btc / (issuance_btc + fees_btc)",
        source=DEFINED,
        rule=_fee_share,
        prices_inside=False,
    ),
    Signal(
        name="hashprice",
        title=HASHPRICE.title,
        unit=HASHPRICE.unit,
        channels=HASHPRICE.channels,
        formula="(subsidy + fees_btc / blocks) * 144 * price_usd / (hash_rate / 1e15)",
        source=HASHPRICE.source,
        rule=HASHPRICE.compute,
    ),
    Signal(
        name="energy_kwh",
        title="Energy of a day",
        unit="kWh/day",
        channels=ENERGY,
        formula="hash_rate * (efficiency / 1e12) * 24 / 1000",
        source=DEFINED,
        rule=_energy,
        prices_inside=False,
    ),
    Signal(
        name="energy_usd",
        title="Cost of the energy of a day",
        unit="USD/day",
        channels=COST,
        formula="energy_kwh * energy_cost",
        source=DEFINED,
        rule=_energy_usd,
        prices_inside=False,
    ),
    Signal(
        name="miner_margin",
        title="Revenue over the cost of energy",
        unit="1",
        channels=(*EARNED, "price_usd", *COST),
        formula="miner_revenue_usd / energy_usd",
        source=DEFINED,
        rule=_miner_margin,
    ),
    Signal(
        name="production_cost_usd",
        title="Production cost",
        unit="USD/BTC",
        channels=TRUE_PRICE.channels,
        formula="hash_rate * (efficiency / 1e12) * 600 / subsidy / 3.6e6 * energy_cost",
        source=TRUE_PRICE.source,
        rule=_production_cost,
        prices_inside=False,
    ),
    Signal(
        name="market_premium",
        title="Market price over production cost, less 1",
        unit="1",
        channels=(*TRUE_PRICE.channels, "price_usd"),
        formula="price_usd / production_cost_usd - 1",
        source=DEFINED,
        rule=_market_premium,
    ),
    Signal(
        name="implied_energy_cost",
        title="Cost of energy at which TRUE PRICE is the market's",
        unit="USD/kWh",
        channels=("height", "time", *ENERGY, "price_usd"),
        formula="price_usd / TRUE PRICE at 1 USD/kWh",
        source=DEFINED,
        rule=_implied_energy_cost,
    ),
    Signal(
        name="transfer_volume_usd",
        title="Transfer volume",
        unit="USD/day",
        channels=("transfer_btc", "price_usd"),
        formula="transfer_btc * price_usd",
        source=DEFINED,
        rule=_product("transfer_btc", "price_usd"),
    ),
    Signal(
        name="nvt",
        title=NVT.title,
        unit=NVT.unit,
        channels=NVT.channels,
        formula="market_cap_usd / transfer_volume_usd",
        source=NVT.source,
        rule=NVT.compute,
    ),
    Signal(
        name="nvt_signal",
        title="NVT signal",
        unit="1",
        channels=("day", "market_cap_usd", "transfer_btc", "price_usd"),
        formula="market_cap_usd / mean of transfer_volume_usd over the last 90 days",
        source="Kalichkin, D. (2018), Rethinking Network Value to Transactions (NVT) Ratio",
        rule=_nvt_signal,
    ),
    Signal(
        name="velocity",
        title="Velocity",
        unit="1/year",
        channels=("day", "transfer_btc", "supply_btc"),
        formula="sum of transfer_btc over the last 365 days / supply_btc",
        source="Coin Metrics, VelCur1yr",
        rule=_velocity,
        prices_inside=False,
    ),
    Signal(
        name="realized_cap_change_usd",
        title="Change of the realized cap",
        unit="USD/day",
        channels=("day", "realized_cap_usd"),
        formula="realized_cap_usd less that of the day before",
        source=DEFINED,
        rule=_realized_cap_change,
    ),
    Signal(
        name="exchange_net_flow_usd",
        title="Net flow to exchanges",
        unit="USD/day",
        channels=("exchange_inflow_usd", "exchange_outflow_usd"),
        formula="exchange_inflow_usd - exchange_outflow_usd",
        source=DEFINED,
        rule=_net_flow,
    ),
    Signal(
        name="security_spend",
        title="Miners' revenue of a year, of the market cap",
        unit="1/year",
        channels=(*EARNED, "price_usd", "market_cap_usd"),
        formula="miner_revenue_usd * 365 / market_cap_usd",
        source=DEFINED,
        rule=_security_spend,
    ),
    Signal(
        name="subsidy_yield",
        title="Issuance of a year, of the supply",
        unit="1/year",
        channels=("issuance_btc", "supply_btc"),
        formula="issuance_btc * 365 / supply_btc",
        source=DEFINED,
        rule=_subsidy_yield,
        prices_inside=False,
    ),
)

SIGNALS: Final[Mapping[str, Signal]] = MappingProxyType({signal.name: signal for signal in _DECLARED})
"""The signals by name, in the order in which they are shown."""
