"""TRUE PRICE as a model of the registry; the formula is `livetrading.blockchain.mathematical_price`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np

from livetrading.blockchain.mathematical_price import ENERGY_COST_USD_KWH, true_price
from livetrading.blockchain.models.model import ChannelModel, Computed, Window

__all__ = ["TRUE_PRICE", "TruePriceModel"]

PARTS: Final = (
    "reward_btc",
    "supply_btc",
    "energy_kwh",
    "cost_usd",
    "stock_to_flow",
    "days",
    "scarcity",
    "maturity",
    "supply_factor",
    "multiplier",
)
REFERENCE_DAY: Final = date(2025, 11, 30)


@dataclass(frozen=True, kw_only=True)
class TruePriceModel(ChannelModel):
    """Energy cost of a new coin times 1 + scarcity + maturity * supply factor.

    Its default energy cost was set by the market of one day, which is its window of fit.
    """

    channels: tuple[str, ...] = field(
        init=False, default=("height", "hash_rate", "time", "efficiency", "energy_cost")
    )
    fitted: bool = field(init=False, default=True)
    fit_window: Window | None = field(init=False, default=(REFERENCE_DAY, REFERENCE_DAY))

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        given = [columns[name] for name in self.channels]
        shape = given[0].shape
        known = ~np.any([np.isnan(column) for column in given[1:]], axis=0)
        parts = {name: np.full(shape, np.nan) for name in (*PARTS, "price_usd")}
        reason = np.full(shape, "", dtype="<U10")
        halvings = np.zeros(shape)
        for i in np.ndindex(shape):
            if known[i]:
                height, *rest = (column[i] for column in given)
                row = true_price(int(height), *(float(number) for number in rest))
                for name, part in parts.items():
                    part[i] = getattr(row, name)
                reason[i], halvings[i] = row.reason or "", row.halvings
        price = parts.pop("price_usd")
        return Computed(
            value=price,
            parts={"halvings": halvings, **parts},
            price_usd=price,
            undefined=[(reason == text, text) for text in ("height 0", "no subsidy")],
            notes=_notes(columns, parts),
        )


def _notes(columns: Mapping[str, Any], parts: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    if np.any(columns["energy_cost"] == ENERGY_COST_USD_KWH):
        notes.append(
            f"{ENERGY_COST_USD_KWH} USD/kWh was chosen to meet the market near {REFERENCE_DAY}: "
            "agreement there is by construction"
        )
    if np.any(parts["stock_to_flow"] <= 1.0):
        notes.append("stock-to-flow is at most 1: scarcity is 0")
    if np.any(columns["height"] < 210_000):
        notes.append("no halving yet: maturity is 1 at every age above a day")
    return tuple(notes)


TRUE_PRICE: Final = TruePriceModel(
    name="true-price",
    title="TRUE PRICE",
    source="this project's own; the cost of energy as a value follows Hayes, A. S. (2017), Telematics and "
    "Informatics 34(7)",
)
