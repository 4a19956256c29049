"""Thermocap: what miners were paid in new coins, each at the price of its day, over all time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from livetrading.blockchain.models.daily import check_days
from livetrading.blockchain.models.model import ChannelModel, Computed, Kind

__all__ = ["FIRST_PRICED_DAY", "THERMOCAP", "Thermocap"]

FIRST_PRICED_DAY: Final = 14_808
"""2010-07-18, the first day with a market price, in days since 1970-01-01."""


@dataclass(frozen=True, kw_only=True)
class Thermocap(ChannelModel):
    """Sum of issuance in USD since 2010-07-18, fees excluded; the market cap over it is its multiple."""

    unit: str = field(init=False, default="USD")
    kind: Kind = field(init=False, default="cap")
    channels: tuple[str, ...] = field(init=False, default=("day", "issuance_btc", "price_usd"))
    optional: tuple[str, ...] = field(init=False, default=("market_cap_usd", "supply_btc"))
    prices_inside: bool = field(init=False, default=True)

    def compute(self, columns: Mapping[str, Any]) -> Computed:
        day = columns["day"]
        check_days(day)
        counted = day >= FIRST_PRICED_DAY
        issuance = columns["issuance_btc"] * columns["price_usd"]
        total = np.cumsum(np.where(counted, issuance, 0.0)).reshape(day.shape)
        # The sum is whole only if every day from the first priced one on has its row.
        whole = np.cumsum(counted).reshape(day.shape) == day - FIRST_PRICED_DAY + 1
        cap = np.where(counted & whole, total, np.nan)
        return Computed(
            value=cap,
            parts={"issuance_usd": issuance, "multiple": columns["market_cap_usd"] / cap},
            price_usd=cap / columns["supply_btc"],
            undefined=[
                (~counted, "before the first priced day, 2010-07-18"),
                (~whole, "needs every day since 2010-07-18"),
                (np.isnan(total), "needs issuance_btc and price_usd on every day since 2010-07-18"),
            ],
            notes=(
                "made of market prices; fees are left out: with them it is another figure",
                "coins from before 2010-07-18 had no price and count nothing",
            ),
        )


THERMOCAP: Final = Thermocap(
    name="thermocap",
    title="Thermocap",
    source="Carter, N. (2018), thermocap: cumulative miner revenue; from memory",
)
