"""TRUE PRICE as a model of the registry; the formula is `livetrading.blockchain.mathematical_price`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np

from livetrading.blockchain.mathematical_price import ENERGY_COST_USD_KWH, REASONS, true_price
from livetrading.blockchain.models.model import ChannelModel, Computed, Window

__all__ = ["TRUE_PRICE", "TruePriceModel"]

PARTS: Final = (
    "halvings",
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
        height, *numbers = (columns[name] for name in self.channels)
        known = ~np.any([np.isnan(column) for column in numbers], axis=0)
        prices = true_price(height, *(np.where(known, column, 1.0) for column in numbers))
        parts = {name: np.where(known, getattr(prices, name), np.nan) for name in PARTS}
        price = np.where(known, prices.price_usd, np.nan)
        return Computed(
            value=price,
            parts=parts,
            price_usd=price,
            undefined=[(known & (prices.reason == i), text) for i, text in enumerate(REASONS) if text],
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
